/* Holds its lock while it calls the host, which may call back. */
#include "mini.h"

#include <pthread.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    pthread_mutex_lock(&mutex);
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    pthread_mutex_unlock(&mutex);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#define MINI_GET_INTERFACE get_interface
static const void* get_interface(sigrun_instance* instance, sigrun_str id);
#include "mini_plugin.h"
static const void* get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return is(id, MINI_KIND) ? MINI_TABLE : NULL;
}
