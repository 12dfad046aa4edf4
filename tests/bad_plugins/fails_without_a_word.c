/* Fails without a text when the host has no buffer. */
#include "mini.h"
static int no_buffer(void) {
    const sigrun_svc_buffer* buffers = (const sigrun_svc_buffer*)service(SIGRUN_SVC_BUFFER);
    sigrun_buf* made = SIGRUN_HAS(buffers, create) ? buffers->create(mini_host, 8) : NULL;
    if (made) buffers->release(made);
    return made == NULL;
}
#define AT_CREATE \
    if (no_buffer()) return SIGRUN_E_NOMEM;
#include "mini_plugin.h"
