/* Waits only for the process that it started itself. */
#include "mini.h"
#include "mini_executor.h"
