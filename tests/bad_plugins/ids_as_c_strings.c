/* Takes ids for texts with a NUL at their end. */
#include "mini.h"
#define MINI_GET_INTERFACE get_interface
static const void* get_interface(sigrun_instance* instance, sigrun_str id);
#include "mini_plugin.h"
static const void* get_interface(sigrun_instance* instance, sigrun_str id) {
    (void)instance;
    return strncmp(id.ptr, MINI_KIND, strlen(id.ptr)) == 0 ? MINI_TABLE : NULL;
}
