// What a selector is told of zones.
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

std::uint16_t selector::impl::zone_at(std::uint32_t slot) const noexcept {
    slot = current_slot(slot);
    if (page_of(slot) >= n_pages.load(std::memory_order_acquire)) return 0;
    sigrun_cohort& c = index.cohort(index.cohort_of(page_of(slot)));
    return std::atomic_ref<std::uint16_t>(c.zone).load(std::memory_order_relaxed);
}

result<void> selector::declare_zones(std::string_view own, std::vector<zone_declaration> declared) {
    std::lock_guard lock(impl_->mutex);
    SIGRUN_CHECK_OK(impl_->zones.declare(own, std::move(declared)));
    impl_->publish({});  // there may be zones that no view has
    return {};
}
std::uint32_t selector::zone_source(std::string_view name) {
    std::lock_guard lock(impl_->mutex);
    return impl_->zones.source(name);
}
void selector::note_round_trip(slot_ref slot, nanoseconds rtt) {
    std::lock_guard lock(impl_->mutex);
    slot = impl_->resolve(slot);
    if (impl_->owns(slot)) impl_->zones.note_round_trip(impl_->zone_at(slot.slot), rtt);
}
void selector::note_waiting(std::uint32_t jobs) noexcept { impl_->zones.note_waiting(jobs); }

}  // namespace sigrun
