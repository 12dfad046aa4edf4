/* Crashes in a static constructor. */
#include "mini.h"
__attribute__((constructor)) static void begin(void) { abort(); }
#include "mini_plugin.h"
