/* Always picks the first free slot. */
#include "mini.h"
#define START 0
#include "mini_balancer.h"
