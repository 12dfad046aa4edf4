// Frozen layout of <sigrun/broker.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/broker.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_extension) == 8);
SLOT(sigrun_extension, struct_size, 0, uint32_t);
SLOT(sigrun_extension, flags, 4, uint32_t);

static_assert(sizeof(sigrun_grant) == 40);
SLOT(sigrun_grant, struct_size, 0, uint32_t);
SLOT(sigrun_grant, reserved, 4, uint32_t);
SLOT(sigrun_grant, lease, 8, uint64_t);
SLOT(sigrun_grant, generation, 16, uint64_t);
SLOT(sigrun_grant, instance, 24, sigrun_instance*);
SLOT(sigrun_grant, table, 32, const void*);

static_assert(sizeof(sigrun_svc_broker) == 40);
SLOT(sigrun_svc_broker, struct_size, 0, uint32_t);
SLOT(sigrun_svc_broker, reserved, 4, uint32_t);
SLOT(sigrun_svc_broker, follow, 8,
     sigrun_result (*)(const sigrun_host* host, sigrun_str provider, sigrun_str interface_id, sigrun_fn changed,
                       void* ctx, uint64_t* id, sigrun_error* error));
SLOT(sigrun_svc_broker, acquire, 16, sigrun_result (*)(const sigrun_host* host, uint64_t id, sigrun_grant* grant));
SLOT(sigrun_svc_broker, release, 24, void (*)(const sigrun_host* host, uint64_t lease));
SLOT(sigrun_svc_broker, unfollow, 32, void (*)(const sigrun_host* host, uint64_t id));

static_assert(std::string_view(SIGRUN_KIND_EXTENSION) == "sigrun.extension/1");
static_assert(std::string_view(SIGRUN_SVC_BROKER) == "sigrun.host.broker/1");
