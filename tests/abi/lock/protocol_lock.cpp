// Frozen layout of <sigrun/protocol.h>, 64-bit; written by make_lock.py. A line that fails means: the ABI broke.
// Append slots, never change one.
#include <sigrun/protocol.h>

#include <cstddef>
#include <string_view>
#include <type_traits>

#define SLOT(table, slot, offset, ...)                       \
    static_assert(offsetof(table, slot) == (offset), #slot); \
    static_assert(std::is_same_v<decltype(table::slot), __VA_ARGS__>, #slot)

static_assert(sizeof(sigrun_endpoint) == 64);
SLOT(sigrun_endpoint, struct_size, 0, uint32_t);
SLOT(sigrun_endpoint, flags, 4, uint32_t);
SLOT(sigrun_endpoint, uri, 8, sigrun_str);
SLOT(sigrun_endpoint, profile, 24, sigrun_str);
SLOT(sigrun_endpoint, options, 40, sigrun_str);
SLOT(sigrun_endpoint, reserved, 56, uint64_t);

static_assert(sizeof(sigrun_accept) == 72);
SLOT(sigrun_accept, struct_size, 0, uint32_t);
SLOT(sigrun_accept, fd, 4, int32_t);
SLOT(sigrun_accept, flags, 8, uint32_t);
SLOT(sigrun_accept, uid, 12, uint32_t);
SLOT(sigrun_accept, session, 16, uint64_t);
SLOT(sigrun_accept, peer, 24, sigrun_str);
SLOT(sigrun_accept, local, 40, sigrun_str);
SLOT(sigrun_accept, alpn, 56, sigrun_str);

static_assert(sizeof(sigrun_serve) == 48);
SLOT(sigrun_serve, struct_size, 0, uint32_t);
SLOT(sigrun_serve, reserved, 4, uint32_t);
SLOT(sigrun_serve, recognise, 8, sigrun_result (*)(sigrun_instance* instance, sigrun_bytes first, uint32_t flags));
SLOT(sigrun_serve, on_accept, 16,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_accept* accept, sigrun_op lifetime));
SLOT(sigrun_serve, handoff_out, 24,
     sigrun_result (*)(sigrun_instance* instance, sigrun_op lifetime, int32_t* fd, sigrun_buf* state,
                       sigrun_error* error));
SLOT(sigrun_serve, handoff_in, 32,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_accept* accept, sigrun_bytes state, sigrun_op lifetime,
                       sigrun_error* error));
SLOT(sigrun_serve, retire, 40, sigrun_result (*)(sigrun_instance* instance, uint64_t deadline_ns, sigrun_op done));

static_assert(sizeof(sigrun_dial) == 24);
SLOT(sigrun_dial, struct_size, 0, uint32_t);
SLOT(sigrun_dial, reserved, 4, uint32_t);
SLOT(sigrun_dial, detect, 8,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_endpoint* endpoint, uint64_t deadline_ns, sigrun_op op));
SLOT(sigrun_dial, open, 16,
     sigrun_result (*)(sigrun_instance* instance, const sigrun_endpoint* endpoint, const sigrun_sink* frames,
                       sigrun_op op, sigrun_link** link));

static_assert(sizeof(sigrun_link_ops) == 72);
SLOT(sigrun_link_ops, struct_size, 0, uint32_t);
SLOT(sigrun_link_ops, reserved, 4, uint32_t);
SLOT(sigrun_link_ops, execute, 8, sigrun_result (*)(sigrun_link* link, const sigrun_frame* offer));
SLOT(sigrun_link_ops, attach, 16,
     sigrun_result (*)(sigrun_link* link, const sigrun_attempt* attempt, uint64_t log_offset, sigrun_op op));
SLOT(sigrun_link_ops, cancel, 24,
     sigrun_result (*)(sigrun_link* link, const sigrun_attempt* attempt, uint64_t grace_ns));
SLOT(sigrun_link_ops, describe, 32, sigrun_result (*)(sigrun_link* link, sigrun_op op));
SLOT(sigrun_link_ops, ping, 40, sigrun_result (*)(sigrun_link* link, sigrun_op op));
SLOT(sigrun_link_ops, send, 48, sigrun_result (*)(sigrun_link* link, const sigrun_frame* frame));
SLOT(sigrun_link_ops, call, 56,
     sigrun_result (*)(sigrun_link* link, const sigrun_call* call, const sigrun_sink* replies, sigrun_op op));
SLOT(sigrun_link_ops, close, 64, void (*)(sigrun_link* link, sigrun_result why, sigrun_op op));

static_assert(sizeof(sigrun_protocol) == 80);
SLOT(sigrun_protocol, struct_size, 0, uint32_t);
SLOT(sigrun_protocol, flags, 4, uint32_t);
SLOT(sigrun_protocol, name, 8, sigrun_str);
SLOT(sigrun_protocol, schemes, 24, sigrun_str);
SLOT(sigrun_protocol, alpn, 40, sigrun_str);
SLOT(sigrun_protocol, serve, 56, const sigrun_serve*);
SLOT(sigrun_protocol, dial, 64, const sigrun_dial*);
SLOT(sigrun_protocol, link, 72, const sigrun_link_ops*);

static_assert(SIGRUN_ACCEPT_UNIX == 1);
static_assert(SIGRUN_ACCEPT_TLS == 2);
static_assert(SIGRUN_PROTOCOL_FOREIGN == 1);
static_assert(std::string_view(SIGRUN_KIND_PROTOCOL) == "sigrun.protocol/1");
