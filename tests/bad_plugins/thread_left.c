/* Leaves a thread behind. */
#include "mini.h"

#include <pthread.h>
#include <unistd.h>
static void* wait_for_ever(void* p) {
    const sigrun_svc_sched* sched = (const sigrun_svc_sched*)service(SIGRUN_SVC_SCHED);
    uint64_t token;
    if (SIGRUN_HAS(sched, thread_enter)) sched->thread_enter(mini_host, text_of("left"), &token);
    for (;;) pause();
    return p;
}
static void begin(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, wait_for_ever, NULL) == 0) pthread_detach(t);
}
#define AT_START begin();
#include "mini_plugin.h"
