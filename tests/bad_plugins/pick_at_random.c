/* Claims to be deterministic, and is not. */
#include "mini.h"
static unsigned turn;
#define START (++turn * 2654435761u)
#include "mini_balancer.h"
