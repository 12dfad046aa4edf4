/* Picks slots of pages that the request does not allow. */
#include "mini.h"
#define PAGE_ALLOWED 1
#include "mini_balancer.h"
