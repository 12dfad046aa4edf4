/* Has another version in its note than in its descriptor. */
#include "mini.h"
#define NOTE_VERSION "9.9.9"
#include "mini_plugin.h"
