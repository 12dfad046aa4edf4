/* Sends facts that its table does not name. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    send_facts(sink,
               "{\"facts\":[{\"key\":\"cpu.cores\",\"value\":1,\"status\":\"ok\",\"method\":\"declared\",\"source\":"
               "\"itself\"}]}");
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
