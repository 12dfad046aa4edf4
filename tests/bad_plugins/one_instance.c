/* Has one instance, whatever it is asked for. */
#include "mini.h"
static sigrun_instance* the_instance;
static int uses;
#define AT_CREATE            \
    if (the_instance) {      \
        ++uses;              \
        *out = the_instance; \
        return SIGRUN_OK;    \
    }
#define AT_START the_instance = instance;
#define AT_DESTROY  \
    if (uses > 0) { \
        --uses;     \
        return;     \
    }               \
    the_instance = NULL;
#include "mini_plugin.h"
