/* Crashes with the largest value that it allows. */
#include "mini.h"
static void use(const sigrun_config* config) {
    int64_t n = 0;
    config->get_i64(config, text_of("number"), 0, &n);
    if (n == 64) abort();
}
#define AT_CREATE use(config);
#include "mini_plugin.h"
