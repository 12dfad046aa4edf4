/* Does the work in config_prepare that belongs into config_commit. */
#include "mini.h"

#include <fcntl.h>
static sigrun_result config_prepare(sigrun_instance* instance, const sigrun_config* config, uint32_t* effect,
                                    sigrun_error* error) {
    (void)instance;
    (void)config;
    (void)error;
    if (open("prepared", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0) return SIGRUN_E_IO;
    *effect = SIGRUN_EFFECT_APPLIED_HOT;
    return SIGRUN_OK;
}
static void config_commit(sigrun_instance* instance) { (void)instance; }
static void config_abort(sigrun_instance* instance) { (void)instance; }
#define HOLDS_PREPARE
#include "mini_plugin.h"
