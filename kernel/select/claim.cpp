// Claiming and releasing places. One compare-and-swap on the hot word decides; it cannot go past the places
// of the runner, so nothing has to be undone. Lock-free.
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

std::uint32_t selector::impl::current_slot(std::uint32_t slot) const noexcept {
    while (page_of(slot) < n_pages.load(std::memory_order_relaxed) && (index.hot(slot).load() & hot::k_forward))
        slot = static_cast<std::uint32_t>(index.forward(slot).load());
    return slot;
}

/// Everything a balancer proposes is checked here against what the selector knows: it may be any number.
selector::impl::claimed selector::impl::claim(const pick_request& r, std::uint32_t slot, int planes) noexcept {
    const std::uint32_t page = page_of(slot);
    if (page >= n_pages.load(std::memory_order_acquire)) return {};
    for (std::uint32_t i = 0; i < r.n_excluded; ++i)
        if (current_slot(r.excluded[i]) == slot) return {};
    // Where runners of a kind differ, most that are proposed blindly may not match: found out with the fewest looks at memory.
    if (!(r.pred->slots(page) & bit_of(slot))) return {};
    atomic_word& word = index.hot(slot);
    std::uint64_t w = word.load();
    for (;;) {
        // Read after the word: if its generation and open bit still stand when the exchange succeeds, so do
        // the answers.
        const page_facts facts = index.page(page);
        const int plane = hot::tier_plane(w, facts);
        if (plane < 0 || plane >= planes || !(facts.protocols & r.protocols)) return {};
        if (!(r.pred->slots(page) & bit_of(slot))) return {};
        if (r.pred->ages() && r.pred->is_mixed(page) && ages.outdated(slot, wall_ns()) && !still_matches(*r.pred, slot))
            return {.aged = true};
        const std::uint64_t next = hot::with_in_flight(w, hot::in_flight(w) + 1, facts.places);
        if (word.compare_exchange_weak(w, next)) {
            index.settle(slot, facts, w, next);
            return {true, hot::generation(w), static_cast<std::uint8_t>(plane)};
        }
    }
}

bool selector::impl::release(slot_ref s) noexcept {
    for (;;) {
        if (page_of(s.slot) >= n_pages.load(std::memory_order_acquire)) return false;
        atomic_word& word = index.hot(s.slot);
        std::uint64_t w = word.load(), next = 0, onward = 0;
        page_facts facts;
        do {
            if (hot::generation(w) != s.generation || !hot::in_flight(w)) return false;
            facts = index.page(page_of(s.slot));
            // Before the last claim is given back: after that the slot may be another runner's, and lead elsewhere.
            if (w & hot::k_forward) onward = index.forward(s.slot).load();
            next = hot::with_in_flight(w, hot::in_flight(w) - 1, facts.places);
        } while (!word.compare_exchange_weak(w, next));
        if (w & hot::k_forward) {
            s = {static_cast<std::uint32_t>(onward), static_cast<std::uint8_t>(onward >> 32)};
            continue;
        }
        const bool corrected = index.settle(s.slot, facts, w, next);
        // Something can be placed there that could not before: any job, or an urgent one.
        const int from = hot::tier_plane(w, facts), to = hot::tier_plane(next, facts);
        const bool opened = to != hot::k_nowhere && (from == hot::k_nowhere || (from == hot::k_kept && to < from));
        return opened || corrected;
    }
}

slot_ref selector::impl::resolve(slot_ref s) const noexcept {
    while (page_of(s.slot) < n_pages.load(std::memory_order_acquire)) {
        const std::uint64_t w = index.hot(s.slot).load();
        if (hot::generation(w) != s.generation) break;
        if (w & hot::k_used) return s;
        if (!(w & hot::k_forward)) break;
        const std::uint64_t to = index.forward(s.slot).load();
        // Of another runner that had the slot since.
        if (hot::generation(index.hot(s.slot).load()) != s.generation) break;
        s = {static_cast<std::uint32_t>(to), static_cast<std::uint8_t>(to >> 32)};
    }
    return {};
}

void selector::impl::claim_existing(slot_ref s) noexcept {
    // As release does: a claim made through the old slot of a runner that moved is counted there and at the
    // new one.
    while (page_of(s.slot) < n_pages.load(std::memory_order_acquire)) {
        atomic_word& word = index.hot(s.slot);
        std::uint64_t w = word.load(), next = 0;
        page_facts facts;
        do {
            if (hot::generation(w) != s.generation || !(w & (hot::k_used | hot::k_forward)) ||
                hot::in_flight(w) == hot::k_max_in_flight)
                return;
            facts = index.page(page_of(s.slot));
            next = hot::with_in_flight(w, hot::in_flight(w) + 1, facts.places);
        } while (!word.compare_exchange_weak(w, next));
        if (!(w & hot::k_forward)) {
            index.settle(s.slot, facts, w, next);
            return;
        }
        const std::uint64_t to = index.forward(s.slot).load();
        s = {static_cast<std::uint32_t>(to), static_cast<std::uint8_t>(to >> 32)};
    }
}

std::uint32_t selector::impl::in_flight(slot_ref s) const noexcept {
    s = resolve(s);
    if (page_of(s.slot) >= index.max_pages()) return 0;
    const std::uint64_t w = index.hot(s.slot).load();
    return hot::generation(w) == s.generation ? hot::in_flight(w) : 0;
}

}  // namespace sigrun
