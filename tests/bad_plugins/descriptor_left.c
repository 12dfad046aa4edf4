/* Leaves a descriptor open. */
#include "mini.h"

#include <unistd.h>
#define AT_START \
    if (dup(0) < 0) return fail(error, SIGRUN_E_IO, "dup");
#include "mini_plugin.h"
