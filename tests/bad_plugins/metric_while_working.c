/* Makes a metric on a worker thread. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    const sigrun_svc_metric* metrics = (const sigrun_svc_metric*)service(SIGRUN_SVC_METRIC);
    if (SIGRUN_HAS(metrics, counter)) metrics->counter(mini_host, text_of("bad_total"), text_of("Bad"), NULL, 0);
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
