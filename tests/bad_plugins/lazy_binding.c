/* Resolves symbols at their first call, by the linker's flag. */
#include "mini_plugin.h"
