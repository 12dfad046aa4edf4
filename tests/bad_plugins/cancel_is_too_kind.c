/* Only asks a cancelled task to end. */
#include "mini.h"
#define CANCEL_SIGNAL SIGTERM
#define TAKE_DESCENDANTS 1
#include "mini_executor.h"
