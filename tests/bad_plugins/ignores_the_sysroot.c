/* Reads the real /proc whatever the sysroot is. */
#include "mini.h"

#include <stdio.h>
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    FILE* in = fopen("/proc/uptime", "r");
    if (in) fclose(in);
    send_facts(sink,
               "{\"facts\":[{\"key\":\"bad.uptime\",\"value\":1,\"status\":\"ok\",\"method\":\"read\",\"source\":\"/"
               "proc/uptime\"}]}");
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
