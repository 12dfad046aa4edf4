/* Decides with few bytes, and otherwise with more. */
#include "mini.h"
static sigrun_result recognise(sigrun_instance* instance, sigrun_bytes first, uint32_t flags) {
    const char* at = (const char*)first.ptr;
    (void)instance;
    (void)flags;
    (void)at;
    if (!first.len) return SIGRUN_NEED_MORE;
    return first.len < 4 ? SIGRUN_OK : SIGRUN_NOT_MINE;
}
#define RECOGNISE recognise
#include "mini_protocol.h"
