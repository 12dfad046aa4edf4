/* Leaves a timer running. */
#include "mini.h"
static void tick(void* p) { (void)p; }
static void begin(void) {
    const sigrun_svc_sched* sched = (const sigrun_svc_sched*)service(SIGRUN_SVC_SCHED);
    uint64_t id;
    if (SIGRUN_HAS(sched, timer)) sched->timer(mini_host, 3600000000000u, 3600000000000u, tick, NULL, &id);
}
#define AT_START begin();
#include "mini_plugin.h"
