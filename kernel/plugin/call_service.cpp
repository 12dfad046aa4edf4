// The services call/1 and link/1: handed on to whoever implements them in the kernel.
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/protocol.h>

namespace sigrun {
namespace {

sigrun_result unavailable(sigrun_error* error, const char* what) noexcept {
    try {
        return sdk::report(error, SIGRUN_E_IO, make_problem(errc::unavailable, what).to_json());
    } catch (const std::bad_alloc&) {
        return sdk::report(error, SIGRUN_E_NOMEM, "out of memory");
    }
}

protocol_traffic* traffic_of(host_face& face) {
    if (auto* known = face.traffic.load(std::memory_order_acquire)) return known;
    // By the protocol's own name, as links are counted, and not by that of the instance.
    std::string name = face.name;
    if (const auto holder = face.holder.lock())
        if (const auto* table = holder->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)) name = sdk::view(table->name);
    auto* found = &face.owner.rt->traffic.of(name);
    face.traffic.store(found, std::memory_order_release);
    return found;
}

sigrun_result begin(const sigrun_host* host, std::uint64_t session, const sigrun_call* call, const sigrun_sink* replies,
                    std::uint64_t* call_id, sigrun_error* error) noexcept {
    guest& owner = host_face::of(host).owner;
    if (!call || !replies || !replies->on_frame || !call_id)
        return sdk::report(error, SIGRUN_E_INVALID, "call, replies and call_id must be given");
    *call_id = 0;
    if (owner.retired()) return sdk::report(error, SIGRUN_E_CANCELLED, "this plugin generation is retired");
    call_handler* handler = owner.rt->calls.load(std::memory_order_acquire);
    if (!handler) return unavailable(error, "this process answers no method calls");
    return sdk::guarded(error, [&] {
        return handler->begin(session, *call, *replies, call_id, error, traffic_of(host_face::of(host)));
    });
}

void resume(const sigrun_host* host, std::uint64_t call_id) noexcept {
    guest& owner = host_face::of(host).owner;
    if (owner.retired()) return;
    if (call_handler* handler = owner.rt->calls.load(std::memory_order_acquire)) handler->resume(call_id);
}

void end(const sigrun_host* host, std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept {
    guest& owner = host_face::of(host).owner;
    call_handler* handler = owner.retired() ? nullptr : owner.rt->calls.load(std::memory_order_acquire);
    if (handler)
        handler->end(call_id, done, ctx);
    else if (done)
        done(ctx);
}

sigrun_result adopt(const sigrun_host* host, std::uint64_t session, sigrun_str ticket, sigrun_link* link,
                    const sigrun_sink** frames, sigrun_error* error) noexcept {
    host_face& face = host_face::of(host);
    if (!link || !frames) return sdk::report(error, SIGRUN_E_INVALID, "link and frames must be given");
    if (face.owner.retired()) return sdk::report(error, SIGRUN_E_CANCELLED, "this plugin generation is retired");
    link_adopter* adopter = face.owner.rt->links.load(std::memory_order_acquire);
    if (!adopter) return unavailable(error, "this process takes no links");
    std::shared_ptr<instance> holder = face.holder.lock();
    if (!holder) return sdk::report(error, SIGRUN_E_INVALID, "adopt needs the host that the instance was created with");
    return adopter->adopt(std::move(holder), session, sdk::view(ticket), link, frames, error);
}

}  // namespace

const sigrun_svc_call& call_service() noexcept {
    static constexpr sigrun_svc_call table{sizeof(sigrun_svc_call), 0, &begin, &resume, &end};
    return table;
}

const sigrun_svc_link& link_service() noexcept {
    static constexpr sigrun_svc_link table{sizeof(sigrun_svc_link), 0, &adopt};
    return table;
}

}  // namespace sigrun
