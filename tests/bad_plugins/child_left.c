/* Leaves a process, and does not wait for it. */
#include "mini.h"

#include <unistd.h>
#define AT_START \
    if (fork() == 0) _exit(0);
#include "mini_plugin.h"
