/* Does not work any more when new values were given up. */
#include "mini.h"
static int broken;
static sigrun_result config_prepare(sigrun_instance* instance, const sigrun_config* config, uint32_t* effect,
                                    sigrun_error* error) {
    (void)instance;
    (void)config;
    (void)error;
    *effect = SIGRUN_EFFECT_APPLIED_HOT;
    return SIGRUN_OK;
}
static void config_commit(sigrun_instance* instance) { (void)instance; }
static void config_abort(sigrun_instance* instance) {
    (void)instance;
    broken = 1;
}
static sigrun_result run(sigrun_instance* instance, const sigrun_probe_req* req, const sigrun_sink* sink,
                         sigrun_op op) {
    (void)instance;
    (void)req;
    (void)sink;
    if (broken) return SIGRUN_E_INTERNAL;
    mini_host->complete(mini_host, op, SIGRUN_OK, NULL);
    return SIGRUN_PENDING;
}
#define HOLDS_PREPARE
#define PROBE_RUN run
#include "mini_plugin.h"
