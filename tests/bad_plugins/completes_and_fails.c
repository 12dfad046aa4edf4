/* Completes an op and returns an error, too. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_E_IO;
}
#define PROBE_RUN run
#include "mini_plugin.h"
