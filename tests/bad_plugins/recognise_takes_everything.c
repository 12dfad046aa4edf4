/* Says of everything that it is its protocol. */
#include "mini.h"
static sigrun_result recognise(sigrun_instance* instance, sigrun_bytes first, uint32_t flags) {
    const char* at = (const char*)first.ptr;
    (void)instance;
    (void)flags;
    (void)at;
    return SIGRUN_OK;
}
#define RECOGNISE recognise
#include "mini_protocol.h"
