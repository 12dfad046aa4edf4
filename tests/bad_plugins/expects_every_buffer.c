/* Writes into the buffer that the host could not make. */
#include "mini.h"
static void use(void) {
    const sigrun_svc_buffer* buffers = (const sigrun_svc_buffer*)service(SIGRUN_SVC_BUFFER);
    sigrun_buf* made;
    void* at = NULL;
    if (!SIGRUN_HAS(buffers, view)) return;
    made = buffers->create(mini_host, 8);
    buffers->view(made, &at, NULL, NULL);
    memset(at, 0, 8);
    buffers->release(made);
}
#define AT_START use();
#include "mini_plugin.h"
