/* Releases a buffer twice. */
#include "mini.h"
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    const sigrun_svc_buffer* buffers = (const sigrun_svc_buffer*)service(SIGRUN_SVC_BUFFER);
    sigrun_buf* made = buffer_of("once");
    if (made) {
        buffers->release(made);
        buffers->release(made);
    }
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
