/* A balancer that keeps every rule: all classes get the first policy it was given. */
#include "mini.h"
#include "mini_decider.h"
