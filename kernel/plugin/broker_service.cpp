// The service broker/1 over the runtime's broker.
#include "kernel/plugin/broker.hpp"
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/error.hpp>

#include <cstddef>

namespace sigrun {
namespace {

constexpr std::uint64_t k_max_name = 200;

sigrun_result follow(const sigrun_host* host, sigrun_str provider, sigrun_str interface_id, sigrun_fn changed,
                     void* ctx, std::uint64_t* id, sigrun_error* error) noexcept {
    const host_face& face = host_face::of(host);
    if (!changed || !id || !provider.len || !interface_id.len || provider.len > k_max_name ||
        interface_id.len > k_max_name)
        return sdk::report(error, SIGRUN_E_INVALID, "provider, interface, changed and id must be given");
    if (face.owner.retired()) return sdk::report(error, SIGRUN_E_CANCELLED, "this plugin generation is retired");
    return sdk::guarded(error, [&]() -> sigrun_result {
        auto made = face.owner.rt->exchange->follow(face, sdk::view(provider), sdk::view(interface_id), changed, ctx);
        if (!made) return sdk::report(error, SIGRUN_E_BUSY, made.error().text());
        *id = *made;
        return SIGRUN_OK;
    });
}

sigrun_result acquire(const sigrun_host* host, std::uint64_t id, sigrun_grant* grant) noexcept {
    const host_face& face = host_face::of(host);
    constexpr std::size_t needed = offsetof(sigrun_grant, table) + sizeof(grant->table);
    if (!grant || grant->struct_size < needed) return SIGRUN_E_INVALID;
    if (face.owner.retired()) return SIGRUN_E_CANCELLED;
    return sdk::guarded(nullptr, [&] { return face.owner.rt->exchange->acquire(face, id, *grant); });
}

// A retired generation that was quiet has no runtime any more, and nothing here either.
void release(const sigrun_host* host, std::uint64_t lease) noexcept {
    const host_face& face = host_face::of(host);
    if (!face.owner.retired()) face.owner.rt->exchange->release(face, lease);
}

void unfollow(const sigrun_host* host, std::uint64_t id) noexcept {
    const host_face& face = host_face::of(host);
    if (!face.owner.retired()) face.owner.rt->exchange->unfollow(face, id);
}

}  // namespace

const sigrun_svc_broker& broker_service() noexcept {
    static constexpr sigrun_svc_broker table{sizeof(sigrun_svc_broker), 0, &follow, &acquire, &release, &unfollow};
    return table;
}

}  // namespace sigrun
