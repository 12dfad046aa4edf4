/* Completes with an error that says nothing. */
#include "mini.h"
#define ERROR_TEXT NULL
#include "mini_executor.h"
