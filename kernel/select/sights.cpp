// Who else could have been picked: a look at up to a thousand runners that match, for the few picks that are traced.
#include "kernel/select/selector_impl.hpp"

#include <sigrun/cpp/expected_cost.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::uint32_t k_most_looked_at = 1024;

bool better(const selector::sight& a, const selector::sight& b) noexcept {
    const auto rank = [](const selector::sight& s) { return s.tier < 0 ? hot::k_planes : s.tier; };
    return rank(a) != rank(b) ? rank(a) < rank(b) : a.score < b.score;
}

}  // namespace

selector::sight selector::impl::sight_of(std::uint32_t slot, slot_ref picked) const noexcept {
    sight s;
    std::uint64_t w = index.hot(slot).load();
    const page_facts page = index.page(page_of(slot));
    s.slot = {slot, hot::generation(w)};
    s.picked = s.slot == picked;
    // As it was for the pick: without the job itself.
    if (s.picked && hot::in_flight(w)) w = hot::with_in_flight(w, hot::in_flight(w) - 1, page.places);
    s.tier = hot::tier_plane(w, page);
    s.in_flight = hot::in_flight(w);
    s.places = page.places;
    s.score = sdk::expected_cost(w);
    return s;
}

selector::sights selector::impl::look_around(const predicate& pred, protocol_mask allowed, slot_ref picked,
                                             std::size_t most, std::uint64_t random) const {
    sights out;
    const std::uint32_t n = n_pages.load(std::memory_order_acquire);
    const std::uint32_t start = n ? static_cast<std::uint32_t>((random >> 32) * n >> 32) : 0;
    for (const bool after : {true, false})
        for (page_walk walk(pred, n); walk.more() && out.looked_at < k_most_looked_at;) {
            const std::uint32_t page = walk.next();
            if ((page >= start) != after || !(index.page(page).protocols & allowed)) continue;
            for (std::uint64_t rest = pred.slots(page) & index.live(page).load(); rest; rest &= rest - 1) {
                const sight s = sight_of(page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)), picked);
                ++out.looked_at;
                if (s.picked) continue;
                out.best.insert(std::upper_bound(out.best.begin(), out.best.end(), s, better), s);
                if (out.best.size() > most) out.best.pop_back();
            }
        }
    if (page_of(picked.slot) < index.max_pages()) out.best.insert(out.best.begin(), sight_of(picked.slot, picked));
    return out;
}

}  // namespace sigrun
