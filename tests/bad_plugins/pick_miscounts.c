/* Says that it placed more requests than it did. */
#include "mini.h"
#define COUNT n + 1
#include "mini_balancer.h"
