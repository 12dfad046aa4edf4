/* Never releases a buffer. */
#include "mini.h"
#define AT_START (void)buffer_of("kept");
#include "mini_plugin.h"
