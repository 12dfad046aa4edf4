/* Says in its note that it was built for ABI major 2. */
#include "mini.h"
#define NOTE_MAJOR 2
#include "mini_plugin.h"
