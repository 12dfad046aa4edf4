/* Dies of SIGSEGV when its entry is called for the second time. */
#include "mini.h"
#define ENTRY_BODY                  \
    static int calls;               \
    volatile int* nowhere = NULL;   \
    if (++calls == 2) *nowhere = 1; \
    return hello->abi_major == 1 ? &mini_entry : NULL;
#include "mini_plugin.h"
