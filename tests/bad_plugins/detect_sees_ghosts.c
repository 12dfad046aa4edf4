/* Finds its protocol where nobody listens. */
#include "mini.h"
static sigrun_result detect(sigrun_instance* instance, const sigrun_endpoint* endpoint, uint64_t deadline_ns,
                            sigrun_op op) {
    (void)instance;
    (void)endpoint;
    (void)deadline_ns;
    mini_host->complete(mini_host, op, SIGRUN_OK, buffer_of("{\"supported\":true}"));
    return SIGRUN_PENDING;
}
#define DETECT detect
#include "mini_protocol.h"
