/* Allocates memory in pick. */
#include "mini.h"
static void* volatile last;
#define CHOSEN  \
    free(last); \
    last = malloc(16);
#include "mini_balancer.h"
