/* Says of every document that it ran. */
#include "mini.h"
#define TAKES_ALL 1
#include "mini_executor.h"
