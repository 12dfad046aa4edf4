/* Never completes the search for its protocol. */
#include "mini.h"
static sigrun_result detect(sigrun_instance* instance, const sigrun_endpoint* endpoint, uint64_t deadline_ns,
                            sigrun_op op) {
    (void)instance;
    (void)endpoint;
    (void)deadline_ns;
    (void)op;
    return SIGRUN_PENDING;
}
#define DETECT detect
#include "mini_protocol.h"
