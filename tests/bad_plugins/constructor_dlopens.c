/* Loads another library in a static constructor. */
#include "mini.h"

#include <dlfcn.h>
__attribute__((constructor)) static void begin(void) {
    /* In every C library, and needed by nothing here. */
    if (!dlopen("libnss_compat.so.2", RTLD_NOW) && !dlopen("libthread_db.so.1", RTLD_NOW)) abort();
}
#include "mini_plugin.h"
