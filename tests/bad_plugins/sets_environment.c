/* Sets an environment variable. */
#include "mini.h"
#define AT_START setenv("SIGRUN_BAD_PLUGIN", "1", 1);
#include "mini_plugin.h"
