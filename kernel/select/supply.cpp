// What there is for a requirement: for those who look at demand, never in a pick.
#include "kernel/select/selector_impl.hpp"

namespace sigrun {
namespace {

/// Places that a job of normal priority may take now.
std::uint32_t free_places(std::uint64_t w, page_facts page) noexcept {
    const int plane = hot::tier_plane(w, page);
    if (plane == hot::k_nowhere || plane >= SIGRUN_TIERS) return 0;  // full, kept for urgent jobs, or ejected
    const std::uint32_t q = hot::in_flight(w);
    const std::uint32_t most = w & hot::k_trial ? 1u : page.reserved ? page.usual : page.places;
    return most > q ? most - q : 0;
}

}  // namespace

void selector::impl::suppliers(const predicate& pred, protocol_mask allowed,
                               const std::function<void(const supplier&)>& see) const {
    for (page_walk walk(pred, n_pages.load(std::memory_order_acquire)); walk.more();) {
        const std::uint32_t page = walk.next();
        const page_facts facts = index.page(page);
        for (std::uint64_t rest = pred.slots(page) & index.live(page).load(); rest; rest &= rest - 1) {
            const std::uint32_t slot = page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
            const std::uint64_t w = index.hot(slot).load();
            supplier one;
            one.slot = {slot, hot::generation(w)};
            one.open = (w & hot::k_open) != 0;
            one.places = facts.places;
            one.in_flight = hot::in_flight(w);
            if (facts.protocols & allowed) one.free = free_places(w, facts);
            see(one);
        }
    }
}

bool selector::impl::known_to_match(const predicate& pred) const noexcept {
    for (page_walk walk(pred, n_pages.load(std::memory_order_acquire)); walk.more();) {
        const std::uint32_t page = walk.next();
        if (pred.slots(page) & index.live(page).load()) return true;
    }
    return false;
}

}  // namespace sigrun
