/* Crashes when an instance is destroyed that was never started. */
#include "mini.h"
static volatile int* counter;
#define AT_START counter = (volatile int*)calloc(1, sizeof *counter);
#define AT_DESTROY        \
    *counter += 1;        \
    free((void*)counter); \
    counter = NULL;
#include "mini_plugin.h"
