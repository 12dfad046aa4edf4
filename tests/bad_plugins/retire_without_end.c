/* Never completes its retirement. */
#include "mini.h"
static sigrun_result retire(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done) {
    (void)instance;
    (void)deadline_ns;
    (void)done;
    return SIGRUN_PENDING;
}
#define RETIRE retire
#include "mini_protocol.h"
