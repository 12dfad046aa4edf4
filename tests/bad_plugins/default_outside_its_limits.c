/* Has a default that its own limits do not allow. */
#include "mini.h"
#define OPTION_DEF "400"
#include "mini_plugin.h"
