/* Refuses to work with its own defaults. */
#include "mini.h"
static int wants(const sigrun_config* config) {
    int64_t n = 0;
    config->get_i64(config, text_of("number"), 0, &n);
    return n > 10;
}
#define AT_CREATE \
    if (!wants(config)) return fail(error, SIGRUN_E_CONFIG, "number: expected more than 10, found less");
#include "mini_plugin.h"
