/* Has no note. */
#define NO_NOTE
#include "mini_plugin.h"
