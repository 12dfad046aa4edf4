/* Picks a slot that does not exist. */
#include "mini.h"
#define CHOSEN \
    if (req->rng % 50 == 0) slot = view->n_slots;
#include "mini_balancer.h"
