/* Gives another descriptor at each call. */
#include "mini.h"
#define ENTRY_BODY                          \
    static sigrun_entry copies[64];         \
    static int turn;                        \
    copies[turn % 64] = mini_entry;         \
    if (hello->abi_major != 1) return NULL; \
    return &copies[turn++ % 64];
#include "mini_plugin.h"
