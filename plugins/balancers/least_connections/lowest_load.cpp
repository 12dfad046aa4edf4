#include "lowest_load.hpp"

#include <algorithm>

namespace sigrun::least_connections {
namespace {

using sdk::bit_source;
using sdk::load_once;

constexpr std::uint32_t k_last = SIGRUN_LEVELS - 1;  // this level means "this many or more"
constexpr std::size_t k_few_classes = 64;

struct search {
    const sigrun_view& view;
    const std::uint64_t* feasible;
    std::uint16_t protos;
    const found* taken;  // slots found before, to be left out
    std::uint32_t n_taken;
    bit_source& bits;

    std::uint64_t slots(std::uint32_t level, std::uint32_t page) const noexcept {
        std::uint64_t w = load_once(view.level[level][page]) & sdk::matching_slots(view, page);
        for (std::uint32_t i = 0; i < n_taken; ++i)
            if (taken[i].slot >> 6 == page) w &= ~(1ull << (taken[i].slot & 63u));
        return w;
    }
    const sigrun_cohort& cohort(std::uint32_t page) const noexcept {
        return view.cohort[load_once(view.page_cohort[page])];
    }
    bool suits(std::uint32_t page) const noexcept { return load_once(cohort(page).protos) & protos; }
};

/// The best so far; of equals each is kept with a chance in proportion to how many slots it stands for.
class best_of {
public:
    explicit best_of(bit_source& bits) noexcept : bits_(bits) {}
    bool any() const noexcept { return total_ > 0; }
    const found& get() const noexcept { return best_; }
    bool worse(const load& l) const noexcept { return total_ && best_.value < l; }
    void offer(std::uint32_t slot, const load& l, std::uint64_t stands_for) noexcept {
        if (worse(l)) return;
        if (!total_ || l < best_.value) total_ = 0;
        total_ += stands_for;
        if (total_ == stands_for || bits_.next() % total_ < stands_for) best_ = {slot, l};
    }

private:
    bit_source& bits_;
    found best_;
    std::uint64_t total_ = 0;
};

void offer_page(const search& s, best_of& best, std::uint32_t page, std::uint32_t level, std::uint64_t slots,
                std::uint64_t capacity) noexcept {
    if (level < k_last) {
        best.offer(page * 64 + sdk::random_bit(slots, s.bits), {level, capacity}, sdk::count_bits(slots));
        return;
    }
    for (; slots; slots &= slots - 1) {
        const std::uint32_t slot = page * 64 + static_cast<std::uint32_t>(std::countr_zero(slots));
        best.offer(slot, {SIGRUN_HOT_INFLIGHT(load_once(s.view.hot[slot])), capacity}, 1);
    }
}

/// Pages of some kind that may have slots of a level; `of` is null for all kinds.
class candidates {
public:
    candidates(const search& s, std::uint32_t level, const capacity_class* of) noexcept
        : s_(s), level_(level), of_(of) {}
    std::uint64_t word(std::uint32_t w) const noexcept {
        const std::uint64_t m = load_once(s_.view.level_any[level_][w]) & load_once(s_.feasible[w]);
        return of_ ? m & of_->pages[w] : m;
    }
    /// A random one, ~0 if there is none. With many words the first that has some, from a random one on.
    std::uint32_t draw(std::uint32_t words) const noexcept {
        constexpr std::uint32_t k_few = 16;
        if (words <= k_few) {
            std::uint64_t m[k_few];
            std::uint32_t total = 0;
            for (std::uint32_t w = 0; w < words; ++w)
                if ((m[w] = word(w))) total += sdk::count_bits(m[w]);
            if (!total) return ~0u;
            std::uint32_t nth = s_.bits.below(total);
            for (std::uint32_t w = 0;; ++w) {
                if (!m[w]) continue;
                const std::uint32_t n = sdk::count_bits(m[w]);
                if (nth < n) return w * 64 + sdk::nth_bit(m[w], nth);
                nth -= n;
            }
        }
        const std::uint32_t start = s_.bits.below(words);
        for (std::uint32_t i = 0; i < words; ++i) {
            const std::uint32_t w = start + i < words ? start + i : start + i - words;
            if (const std::uint64_t m = word(w)) return w * 64 + sdk::random_bit(m, s_.bits);
        }
        return ~0u;
    }

private:
    const search& s_;
    std::uint32_t level_;
    const capacity_class* of_;
};

/// Offers a random slot of a level, or all of its pages where one draw would not do. False: there is none.
bool search_level(const search& s, std::uint32_t level, const capacity_class* of, std::uint64_t capacity,
                  best_of& best) noexcept {
    const std::uint32_t words = sdk::page_words(s.view);
    const candidates pages(s, level, of);
    for (int tries = 0; tries < 4; ++tries) {
        const std::uint32_t page = pages.draw(words);
        if (page == ~0u) return false;
        if (level == k_last) break;
        const std::uint64_t slots = s.slots(level, page);
        const std::uint32_t count = sdk::count_bits(slots);
        if (!count || !s.suits(page)) break;
        // Thinned, so that a page with few candidates is not preferred to one with many.
        if (tries < 3 && s.bits.below(64) >= count) continue;
        best.offer(page * 64 + sdk::nth_bit(slots, s.bits.below(count)), {level, capacity}, 1);
        return true;
    }
    bool hit = false;
    for (std::uint32_t w = 0; w < words; ++w)
        for (std::uint64_t m = pages.word(w); m; m &= m - 1) {
            const std::uint32_t page = w * 64 + static_cast<std::uint32_t>(std::countr_zero(m));
            const std::uint64_t slots = s.slots(level, page);
            if (!slots || !s.suits(page)) continue;
            offer_page(s, best, page, level, slots, capacity);
            hit = true;
        }
    return hit;
}

void search_classes(const search& s, const std::vector<capacity_class>& classes, best_of& best) noexcept {
    // Idle runners are equal whatever their capacity.
    if (search_level(s, 0, nullptr, 1, best)) return;
    for (const auto& c : classes)
        for (std::uint32_t level = 1; level <= k_last && !best.worse({level, c.capacity}); ++level)
            if (search_level(s, level, &c, c.capacity, best)) break;
}

void search_pages(const search& s, best_of& best) noexcept {
    const std::uint32_t words = sdk::page_words(s.view);
    for (std::uint32_t w = 0; w < words; ++w)
        for (std::uint64_t m = load_once(s.feasible[w]) & sdk::idle_pages(s.view, w); m; m &= m - 1) {
            const std::uint32_t page = w * 64 + static_cast<std::uint32_t>(std::countr_zero(m));
            const sigrun_cohort& c = s.cohort(page);
            const std::uint64_t capacity = std::uint64_t{load_once(c.places)} * load_once(c.weight);
            if (!capacity || !s.suits(page)) continue;
            for (std::uint32_t level = 0; level <= k_last && !best.worse({level, capacity}); ++level)
                if (const std::uint64_t slots = s.slots(level, page)) {
                    offer_page(s, best, page, level, slots, capacity);
                    break;
                }
        }
}

}  // namespace

std::uint32_t lowest(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                     const std::vector<capacity_class>& classes, std::uint32_t want, found* out) noexcept {
    bit_source bits(req.rng);
    std::uint32_t n = 0;
    for (; n < want; ++n) {
        const search s{view, pages, req.protos, out, n, bits};
        best_of best(bits);
        if (classes.size() <= k_few_classes)
            search_classes(s, classes, best);
        else
            search_pages(s, best);
        if (!best.any()) break;
        out[n] = best.get();
    }
    return n;
}

}  // namespace sigrun::least_connections
