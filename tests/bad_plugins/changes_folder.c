/* Changes the working directory. */
#include "mini.h"

#include <unistd.h>
#define AT_START \
    if (chdir("/") != 0) return fail(error, SIGRUN_E_IO, "chdir");
#include "mini_plugin.h"
