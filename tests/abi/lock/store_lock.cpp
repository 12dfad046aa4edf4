// Frozen layout of <sigrun/store.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/store.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_fence) == 16);
SLOT(sigrun_fence, struct_size, 0, uint32_t);
SLOT(sigrun_fence, shard, 4, uint32_t);
SLOT(sigrun_fence, epoch, 8, uint64_t);

static_assert(sizeof(sigrun_record) == 48);
SLOT(sigrun_record, struct_size, 0, uint32_t);
SLOT(sigrun_record, kind, 4, uint32_t);
SLOT(sigrun_record, flags, 8, uint32_t);
SLOT(sigrun_record, reserved, 12, uint32_t);
SLOT(sigrun_record, key, 16, sigrun_str);
SLOT(sigrun_record, body, 32, sigrun_bytes);

static_assert(sizeof(sigrun_store) == 64);
SLOT(sigrun_store, struct_size, 0, uint32_t);
SLOT(sigrun_store, flags, 4, uint32_t);
SLOT(sigrun_store, own, 8,
     sigrun_result (*)(sigrun_instance* instance, uint32_t verb, const sigrun_fence* fence, uint64_t ttl_ns,
                       sigrun_op op));
SLOT(sigrun_store, append, 16,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_fence* fence, const sigrun_record* records, uint32_t n,
                       uint32_t durability, sigrun_op op));
SLOT(sigrun_store, scan, 24,
     sigrun_result (*)(sigrun_instance* instance, uint32_t shard, uint64_t position, uint32_t max, sigrun_op op));
SLOT(sigrun_store, compact, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_fence* fence, uint64_t position, sigrun_op op));
SLOT(sigrun_store, query, 40, sigrun_result (*)(sigrun_instance* instance, sigrun_str json, sigrun_op op));
SLOT(sigrun_store, copy, 48, sigrun_result (*)(sigrun_instance* instance, sigrun_str target, sigrun_op op));
SLOT(sigrun_store, copy_progress, 56, void (*)(sigrun_instance* instance, uint64_t* done, uint64_t* total));

static_assert(SIGRUN_RELAXED == 1);
static_assert(SIGRUN_FSYNC == 2);
static_assert(SIGRUN_OWN_TAKE == 1);
static_assert(SIGRUN_OWN_RENEW == 2);
static_assert(SIGRUN_OWN_RELEASE == 3);
static_assert(SIGRUN_RECORD_INSERT == 1);
static_assert(SIGRUN_RECORD_DELETE == 2);
static_assert(std::string_view(SIGRUN_KIND_STORE) == "sigrun.store/1");
