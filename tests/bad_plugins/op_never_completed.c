/* Never completes an op. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    (void)op;
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
