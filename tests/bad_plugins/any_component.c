/* Makes an instance of whatever it is asked for. */
#include "mini.h"
#define MINI_CREATE create_any
static sigrun_result create_any(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                                sigrun_instance** out, sigrun_error* error);
#include "mini_plugin.h"
static sigrun_result create_any(const sigrun_host* host, sigrun_str component, const sigrun_config* config,
                                sigrun_instance** out, sigrun_error* error) {
    (void)component;
    return mini_create(host, text_of("bad"), config, out, error);
}
