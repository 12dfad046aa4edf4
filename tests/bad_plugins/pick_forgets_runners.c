/* Never looks at every second slot. */
#include "mini.h"
#define IS_FREE (slot % 2 == 0 && (view->idle[0][page] >> (slot % 64) & 1))
#include "mini_balancer.h"
