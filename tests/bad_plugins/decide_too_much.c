/* Writes one choice more than there is room for. */
#include "mini.h"
#define MORE 1
#include "mini_decider.h"
