/* Looks for libraries in a folder of its own, by the linker's flag. */
#include "mini_plugin.h"
