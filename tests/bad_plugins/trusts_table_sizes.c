/* Uses a slot without asking whether the table has it. */
#include "mini.h"
static void use(void) {
    const sigrun_svc_log* log = (const sigrun_svc_log*)service(SIGRUN_SVC_LOG);
    if (log) log->write(mini_host, SIGRUN_LOG_INFO, text_of("hello"), NULL, 0);
}
#define AT_START use();
#include "mini_plugin.h"
