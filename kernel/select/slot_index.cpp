#include "kernel/select/slot_index.hpp"

#include <bit>

namespace sigrun {

plane_set::plane_set(std::size_t planes, std::size_t pages) {
    for (std::size_t i = 0; i < planes; ++i) {
        bits_.emplace_back(pages);
        any_.emplace_back((pages + 63) / 64);
    }
}

void plane_set::set(int plane, std::uint32_t slot) noexcept {
    const auto p = static_cast<std::size_t>(plane);
    const std::uint32_t page = page_of(slot);
    bits_[p][page].fetch_or(bit_of(slot));
    // A thread that empties the page clears its bit and looks at the page again, so one of us two sees the
    // other.
    atomic_word& any = any_[p][page >> 6];
    if (!(any.load() & bit_of(page))) any.fetch_or(bit_of(page));
}

void plane_set::clear(int plane, std::uint32_t slot) noexcept {
    const auto p = static_cast<std::size_t>(plane);
    const std::uint32_t page = page_of(slot);
    atomic_word& word = bits_[p][page];
    if ((word.fetch_and(~bit_of(slot)) & ~bit_of(slot)) != 0) return;
    atomic_word& any = any_[p][page >> 6];
    any.fetch_and(~bit_of(page));
    if (word.load() != 0) any.fetch_or(bit_of(page));
}

slot_index::slot_index(std::uint32_t max_pages, bool with_levels)
    : max_pages_(max_pages),
      hot_(std::size_t{max_pages} * 64),
      live_(max_pages),
      forward_(std::size_t{max_pages} * 64),
      identity_(std::size_t{max_pages} * 64),
      estimates_(std::size_t{max_pages} * 64),
      page_facts_(max_pages),
      page_cohort_(max_pages),
      cohorts_(max_pages),
      tiers_(hot::k_planes, max_pages),
      all_(1, max_pages) {
    if (!with_levels) return;
    levels_ = plane_set(SIGRUN_LEVELS, max_pages);
    for (std::size_t i = 0; i < SIGRUN_LEVELS; ++i) {
        level_table_[i] = levels_.slot_plane(i);
        level_any_table_[i] = levels_.page_plane(i);
    }
}

void slot_index::assign_page(std::uint32_t p, std::uint32_t cohort, page_facts facts) noexcept {
    std::atomic_ref<std::uint32_t>(page_cohort_[p]).store(cohort, std::memory_order_relaxed);
    set_page(p, facts);
}

void slot_index::set_page(std::uint32_t p, page_facts facts) noexcept {
    page_facts_[p].store(facts.places | std::uint64_t{facts.protocols} << 16 | std::uint64_t{facts.usual} << 32 |
                             std::uint64_t{facts.reserved} << 47 | std::uint64_t{facts.weight} << 48,
                         std::memory_order_release);
}

// A word counts against the places of its page, and the page may have gone to another cohort since the caller
// looked.
template <slot_index::plane_rule Plane>
int slot_index::plane_now(std::uint32_t slot) const noexcept {
    for (std::uint64_t w = hot_[slot].load();;) {
        const int plane = Plane(w, page(page_of(slot)));
        const std::uint64_t again = hot_[slot].load();
        if (again == w) return plane;
        w = again;
    }
}

template <slot_index::plane_rule Plane>
bool slot_index::settle_in(plane_set& planes, std::uint32_t slot, page_facts page, std::uint64_t before,
                           std::uint64_t after) noexcept {
    int from = Plane(before, page), to = Plane(after, page);
    if (from == to) return false;
    for (bool again = false;; again = true) {
        // Set first: a slot with a free place should be in some plane at every moment.
        if (to != hot::k_nowhere) planes.set(to, slot);
        if (from != hot::k_nowhere) planes.clear(from, slot);
        const int now = plane_now<Plane>(slot);
        // Every thread that wrote a bit reads the word after it; the last to write has read the final word.
        if (now == to) return again;
        from = to;
        to = now;
    }
}

bool slot_index::settle(std::uint32_t slot, page_facts page, std::uint64_t before, std::uint64_t after) noexcept {
    bool corrected = false;
    if (hot::tier_plane(before, page) != hot::tier_plane(after, page)) {
        corrected = settle_in<hot::tier_plane>(tiers_, slot, page, before, after);
        corrected |= settle_in<hot::all_plane>(all_, slot, page, before, after);
    }
    if (levels_.kept()) corrected |= settle_in<hot::level_plane>(levels_, slot, page, before, after);
    return corrected;
}

std::uint32_t slot_index::faults(std::uint32_t slot) const noexcept {
    const std::uint64_t w = hot_[slot].load();
    const std::uint32_t p = page_of(slot);
    const page_facts facts = page(p);
    std::uint32_t wrong = 0;
    auto check = [&](const plane_set& planes, int want) {
        for (int i = 0; i < planes.count(); ++i) {
            const bool bit = planes.slots(i, p) & bit_of(slot);
            const bool page_bit = planes.pages(i, p >> 6) & bit_of(p);
            wrong += bit != (i == want) || (bit && !page_bit);
        }
    };
    check(tiers_, hot::tier_plane(w, facts));
    check(all_, hot::all_plane(w, facts));
    check(levels_, hot::level_plane(w, facts));
    return wrong;
}

void slot_index::repair(std::uint32_t slot) noexcept {
    const std::uint64_t w = hot_[slot].load();
    const page_facts facts = page(page_of(slot));
    auto mend = [&](plane_set& planes, int want) {
        for (int i = 0; i < planes.count(); ++i)
            if (i == want)
                planes.set(i, slot);
            else
                planes.clear(i, slot);
    };
    mend(tiers_, hot::tier_plane(w, facts));
    mend(all_, hot::all_plane(w, facts));
    mend(levels_, hot::level_plane(w, facts));
    // The word may have moved on meanwhile; its mover has settled or will, but perhaps before our last write.
    const std::uint64_t now = hot_[slot].load();
    if (now != w) settle(slot, facts, w, now);
}

void slot_index::describe(sigrun_view& view) const noexcept {
    view = {};
    view.struct_size = sizeof view;
    view.abi = 1;
    view.hot = reinterpret_cast<const std::uint64_t*>(hot_.data());
    for (std::size_t t = 0; t < SIGRUN_TIERS; ++t) {
        view.idle[t] = tiers_.slot_plane(t);
        view.page_any[t] = tiers_.page_plane(t);
    }
    view.idle_all = all_.slot_plane(0);
    view.page_any_all = all_.page_plane(0);
    view.page_cohort = page_cohort_.data();
    view.cohort = cohorts_.data();
    view.page_shift = 6;
    view.identity = reinterpret_cast<const std::uint64_t*>(identity_.data());
    if (levels_.kept()) {
        view.level = level_table_.data();
        view.level_any = level_any_table_.data();
    }
}

}  // namespace sigrun
