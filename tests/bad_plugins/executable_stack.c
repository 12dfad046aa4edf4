/* Asks for an executable stack, by the linker's flag. */
#include "mini_plugin.h"
