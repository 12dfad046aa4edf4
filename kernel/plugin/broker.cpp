#include "kernel/plugin/broker.hpp"

#include "kernel/plugin/guest.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <boost/asio/post.hpp>

#include <vector>

namespace sigrun {
namespace {

constexpr std::size_t k_max_followers = 4096;  // a plugin that follows in a loop is stopped before memory is
constexpr std::size_t k_max_loans = 4096;

bool same(const std::shared_ptr<instance>& a, const std::weak_ptr<instance>& b) noexcept {
    return !a.owner_before(b) && !b.owner_before(a);
}

}  // namespace

void broker::open(finder find) {
    {
        std::lock_guard lock(mutex_);
        find_ = std::move(find);
    }
    look_again();
}

void broker::close() {
    {
        std::lock_guard lock(mutex_);
        find_ = nullptr;
    }
    look_again();
}

std::shared_ptr<instance> broker::find(std::string_view provider, std::string_view interface_id) const {
    finder look;
    {
        std::lock_guard lock(mutex_);
        look = find_;
    }
    // Without the lock: it asks the plugin, which may call back.
    auto found = look ? look(provider) : nullptr;
    return found && found->table<void>(interface_id) ? found : nullptr;
}

void broker::look_again() {
    // Posted, because whoever changed the instances may hold locks that `find` needs.
    boost::asio::post(control_, [self = shared_from_this()] { self->tell_all(); });
}

void broker::tell_all() {
    std::vector<std::shared_ptr<follower>> all;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, each] : followers_) all.push_back(each);
    }
    for (const auto& each : all) {
        auto now = find(each->provider, each->interface_id);
        {
            std::lock_guard lock(mutex_);
            if (same(now, each->seen)) continue;
            each->seen = now;
        }
        now.reset();  // the notice may be about letting go of it
        std::lock_guard calling(each->calling);
        if (each->alive) each->changed(each->ctx);
    }
}

result<std::uint64_t> broker::follow(const host_face& face, std::string_view provider, std::string_view interface_id,
                                     sigrun_fn changed, void* ctx) {
    auto made = std::make_shared<follower>();
    made->face = &face;
    made->provider = provider;
    made->interface_id = interface_id;
    made->changed = changed;
    made->ctx = ctx;
    std::uint64_t id = 0;
    {
        std::lock_guard lock(mutex_);
        if (followers_.size() >= k_max_followers)
            return problem{errc::busy, "too many interfaces are followed", "follow",
                           "at most " + std::to_string(k_max_followers), "more"};
        id = next_++;
        followers_.emplace(id, std::move(made));
    }
    look_again();
    return id;
}

sigrun_result broker::acquire(const host_face& face, std::uint64_t id, sigrun_grant& grant) {
    std::shared_ptr<follower> who;
    {
        std::lock_guard lock(mutex_);
        auto found = followers_.find(id);
        if (found == followers_.end() || found->second->face != &face) return SIGRUN_E_INVALID;
        who = found->second;
    }
    auto provider = find(who->provider, who->interface_id);
    if (!provider) return SIGRUN_E_NOT_FOUND;
    // It would keep itself alive for ever.
    if (provider->plugin_id() == face.owner.plugin_id) return SIGRUN_E_INVALID;
    grant.generation = provider->generation_number();
    grant.instance = provider->abi();
    grant.table = provider->table<void>(who->interface_id);
    std::lock_guard lock(mutex_);
    if (loans_.size() >= k_max_loans) return SIGRUN_E_BUSY;
    grant.lease = next_++;
    loans_.emplace(grant.lease, loan{&face, std::move(provider)});
    return SIGRUN_OK;
}

void broker::release(const host_face& face, std::uint64_t lease) noexcept {
    std::shared_ptr<instance> gone;  // lets go without the lock
    std::lock_guard lock(mutex_);
    auto found = loans_.find(lease);
    if (found == loans_.end() || found->second.face != &face) return;
    gone = std::move(found->second.provider);
    loans_.erase(found);
}

void broker::unfollow(const host_face& face, std::uint64_t id) noexcept {
    std::shared_ptr<follower> gone;
    {
        std::lock_guard lock(mutex_);
        auto found = followers_.find(id);
        if (found == followers_.end() || found->second->face != &face) return;
        gone = std::move(found->second);
        followers_.erase(found);
    }
    std::lock_guard calling(gone->calling);
    gone->alive = false;
}

template <class Whose>
void broker::drop_if(const Whose& whose) noexcept {
    std::vector<std::pair<const host_face*, std::uint64_t>> ids, leases;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, each] : followers_)
            if (whose(*each->face)) ids.emplace_back(each->face, id);
        for (const auto& [id, each] : loans_)
            if (whose(*each.face)) leases.emplace_back(each.face, id);
    }
    for (auto [face, id] : ids) unfollow(*face, id);
    for (auto [face, id] : leases) release(*face, id);
}

void broker::drop(const host_face& face) noexcept {
    drop_if([&face](const host_face& each) { return &each == &face; });
}

void broker::drop(const guest& owner) noexcept {
    drop_if([&owner](const host_face& each) { return &each.owner == &owner; });
}

}  // namespace sigrun
