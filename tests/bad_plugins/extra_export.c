/* Exports a function of its own besides the entry. */
#include "mini_plugin.h"
SIGRUN_EXPORT int another_function(void);
SIGRUN_EXPORT int another_function(void) { return 1; }
