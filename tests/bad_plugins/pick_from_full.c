/* Picks slots that can take no job. */
#include "mini.h"
#define IS_FREE 1
#include "mini_balancer.h"
