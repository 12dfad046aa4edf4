/* Reads more bytes than it was given. */
#include "mini.h"
static sigrun_result recognise(sigrun_instance* instance, sigrun_bytes first, uint32_t flags) {
    const char* at = (const char*)first.ptr;
    (void)instance;
    (void)flags;
    (void)at;
    if (at[first.len] == 'e' && first.len == 1000000) return SIGRUN_OK;
    return SIGRUN_NOT_MINE;
}
#define RECOGNISE recognise
#include "mini_protocol.h"
