// Replacing, adding and removing balancers while others pick.
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

result<std::unique_ptr<balancer_set>> selector::impl::fit(result<std::unique_ptr<balancer_set>> set) const {
    if (set && (*set)->needs_levels() && !levels)
        return problem{errc::unsupported, "it needs the level planes, which no balancer needed at start; restart",
                       "caps", "no SIGRUN_BALANCER_NEEDS_LEVELS", "one that has it"};
    return set;
}

bool selector::impl::publish_balancers(std::unique_ptr<balancer_set> set, const instance* fresh,
                                       std::unique_lock<handover_mutex> lock) {
    // It sees the fleet before its first pick.
    if (fresh) {
        const auto* table = fresh->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
        if (SIGRUN_HAS(table, on_snapshot)) {
            const sigrun_view view = describe();
            const sigrun_delta everything{sizeof everything, 0, 0, nullptr};
            table->on_snapshot(fresh->abi(), &view, &everything);
        }
    }
    std::unique_ptr<balancer_set> before = std::move(owned_balancers);
    owned_balancers = std::move(set);
    for (std::size_t i = n_balancers.load(); i < owned_balancers->size(); ++i)
        balancer_names[i] = (*owned_balancers)[i].name;
    n_balancers.store(owned_balancers->size(), std::memory_order_release);
    balancers.store(owned_balancers.get(), std::memory_order_release);
    lock.unlock();
    if (wait_for_readers()) return true;
    before.release();  // somebody may be inside it for all we know
    return false;
}

std::vector<balancer_suspension> selector::impl::look_at_balancers() {
    std::lock_guard lock(mutex);
    std::vector<balancer_suspension> out;
    const balancer_set& set = *owned_balancers;
    for (std::size_t i = 0; i < set.size(); ++i) {
        if (set[i].removed) continue;
        if (const auto change = set[i].conduct->look(now_ns()); change.happened)
            out.push_back({set[i].name, change.why});
    }
    return out;
}

bool selector::impl::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    std::unique_lock lock(mutex);
    auto set = fit(owned_balancers->with(old, now));
    return set && publish_balancers(std::move(*set), now.get(), std::move(lock));
}

result<void> selector::impl::add_balancer(const std::shared_ptr<instance>& now) {
    std::unique_lock lock(mutex);
    auto set = fit(owned_balancers->with_added(now));
    if (!set) return set.error();
    publish_balancers(std::move(*set), now.get(), std::move(lock));
    return {};
}

result<void> selector::impl::remove_balancer(const std::shared_ptr<instance>& old) {
    std::unique_lock lock(mutex);
    auto set = fit(owned_balancers->without(old));
    if (!set) return set.error();
    if (!publish_balancers(std::move(*set), nullptr, std::move(lock)))
        new std::shared_ptr<instance>(old);  // never let go: nobody can tell when the last thread has left it
    return {};
}

}  // namespace sigrun
