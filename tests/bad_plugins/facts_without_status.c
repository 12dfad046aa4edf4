/* Sends facts without a status. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    send_facts(sink, "{\"facts\":[{\"key\":\"bad.fact\",\"value\":1,\"method\":\"read\",\"source\":\"itself\"}]}");
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
