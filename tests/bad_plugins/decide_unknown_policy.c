/* Chooses a policy that it was never given. */
#include "mini.h"
#define POLICY 1
#include "mini_decider.h"
