/* Registers a function for the end of the process. */
#include "mini.h"
static void goodbye(void) {}
#define AT_START atexit(goodbye);
#include "mini_plugin.h"
