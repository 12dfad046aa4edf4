/* Says that its descriptor is too short to have `create`. */
#include "mini.h"
#define ENTRY_SIZE 64
#include "mini_plugin.h"
