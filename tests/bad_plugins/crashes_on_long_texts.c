/* Crashes with a long text. */
#include "mini.h"
static void use(const sigrun_config* config) {
    sigrun_str words = {NULL, 0};
    config->get_str(config, text_of("words"), 0, &words);
    if (words.len > 100) abort();
}
#define AT_CREATE use(config);
#include "mini_plugin.h"
