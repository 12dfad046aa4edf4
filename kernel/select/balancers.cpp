// Replacing a balancer while others pick.
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

result<std::unique_ptr<balancer_set>> selector::impl::standby(const std::shared_ptr<instance>& old,
                                                              const std::shared_ptr<instance>& now) const {
    SIGRUN_TRY(set, balancers.load()->with(old, now));
    if (set->needs_levels() && !levels)
        return problem{errc::unsupported, "it needs the level planes, which no balancer needed at start; restart",
                       "caps", "no SIGRUN_BALANCER_NEEDS_LEVELS", now->name()};
    return std::move(set);
}

bool selector::impl::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    std::unique_ptr<balancer_set> before;
    {
        std::lock_guard lock(mutex);
        auto set = standby(old, now);
        if (!set) return false;
        // It sees the fleet before its first pick.
        const auto* table = now->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
        if (SIGRUN_HAS(table, on_snapshot)) {
            const sigrun_view view = describe();
            const sigrun_delta everything{sizeof everything, 0, 0, nullptr};
            table->on_snapshot(now->abi(), &view, &everything);
        }
        before = std::move(owned_balancers);
        owned_balancers = std::move(*set);
        balancers.store(owned_balancers.get(), std::memory_order_release);
    }
    if (wait_for_readers()) return true;
    before.release();  // somebody may be inside it for all we know
    return false;
}

}  // namespace sigrun
