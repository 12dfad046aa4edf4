/* Calls the host from a thread that the host does not know. */
#include "mini.h"

#include <pthread.h>
static void* speak(void* p) {
    const sigrun_svc_log* log = (const sigrun_svc_log*)service(SIGRUN_SVC_LOG);
    if (SIGRUN_HAS(log, write)) log->write(mini_host, SIGRUN_LOG_INFO, text_of("hello"), NULL, 0);
    return p;
}
static void begin(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, speak, NULL) == 0) pthread_join(t, NULL);
}
#define AT_START begin();
#include "mini_plugin.h"
