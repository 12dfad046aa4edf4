// Frozen layout of <sigrun/net.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/net.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_net_target) == 64);
SLOT(sigrun_net_target, struct_size, 0, uint32_t);
SLOT(sigrun_net_target, flags, 4, uint32_t);
SLOT(sigrun_net_target, address, 8, sigrun_str);
SLOT(sigrun_net_target, alpn, 24, sigrun_str);
SLOT(sigrun_net_target, options, 40, sigrun_str);
SLOT(sigrun_net_target, deadline_ns, 56, uint64_t);

static_assert(sizeof(sigrun_connection) == 56);
SLOT(sigrun_connection, struct_size, 0, uint32_t);
SLOT(sigrun_connection, fd, 4, int32_t);
SLOT(sigrun_connection, flags, 8, uint32_t);
SLOT(sigrun_connection, reserved, 12, uint32_t);
SLOT(sigrun_connection, connect_ns, 16, uint64_t);
SLOT(sigrun_connection, alpn, 24, sigrun_str);
SLOT(sigrun_connection, peer, 40, sigrun_str);

static_assert(sizeof(sigrun_svc_net) == 24);
SLOT(sigrun_svc_net, struct_size, 0, uint32_t);
SLOT(sigrun_svc_net, reserved, 4, uint32_t);
SLOT(sigrun_svc_net, dial, 8,
     sigrun_result (*)(const sigrun_host* host, const sigrun_net_target* target, sigrun_dialled done, void* ctx,
                       uint64_t* id, sigrun_error* error));
SLOT(sigrun_svc_net, cancel, 16, void (*)(const sigrun_host* host, uint64_t id));

static_assert(SIGRUN_NET_TLS == 1);
static_assert(SIGRUN_NET_UNIX == 2);
static_assert(std::string_view(SIGRUN_SVC_NET) == "sigrun.host.net/1");
