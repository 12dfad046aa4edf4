// Keeps its descriptor in an inline function's static, which default flags make unique in the whole process.
#include "mini.h"
static const sigrun_entry& raw_entry();
struct __attribute__((visibility("default"))) holder {
    static const sigrun_entry*& kept() {
        static const sigrun_entry* entry = nullptr;
        return entry;
    }
};
#define ENTRY_BODY                                            \
    if (hello->abi_major != SIGRUN_ABI_MAJOR) return nullptr; \
    if (!holder::kept()) holder::kept() = &raw_entry();       \
    return holder::kept();
#include "mini_plugin.h"
static const sigrun_entry& raw_entry() { return mini_entry; }
