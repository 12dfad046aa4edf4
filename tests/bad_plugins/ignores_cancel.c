/* Works on when it was cancelled, up to its deadline. */
#include "mini.h"

#include <time.h>
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    struct timespec now;
    do {
        struct timespec moment = {0, 1000000};
        nanosleep(&moment, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec < req->deadline_ns);
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
