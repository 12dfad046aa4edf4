/* Takes only tables of exactly the size it knows. */
#include "mini.h"
static int known(void) {
    const sigrun_svc_log* log = (const sigrun_svc_log*)service(SIGRUN_SVC_LOG);
    return log && log->struct_size == sizeof *log;
}
#define AT_START \
    if (!known()) return fail(error, SIGRUN_E_UNSUPPORTED, "log/1: expected another size");
#include "mini_plugin.h"
