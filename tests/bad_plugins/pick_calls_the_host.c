/* Writes to the log in pick. */
#include "mini.h"
static void speak(void) {
    const sigrun_svc_log* log = (const sigrun_svc_log*)service(SIGRUN_SVC_LOG);
    if (SIGRUN_HAS(log, write)) log->write(mini_host, SIGRUN_LOG_DEBUG, text_of("picked"), NULL, 0);
}
#define CHOSEN speak();
#include "mini_balancer.h"
