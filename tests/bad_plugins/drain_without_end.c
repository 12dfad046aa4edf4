/* Completes its drain only when it is destroyed. */
#include "mini.h"
static sigrun_op waiting;
#define AT_DRAIN waiting = done;
#define AT_DESTROY                                                                  \
    if (waiting) mini_host->complete(mini_host, waiting, SIGRUN_E_CANCELLED, NULL); \
    waiting = 0;
#include "mini_plugin.h"
