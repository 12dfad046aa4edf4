/* A balancer that keeps every rule: a random free slot. */
#include "mini.h"
#include "mini_balancer.h"
