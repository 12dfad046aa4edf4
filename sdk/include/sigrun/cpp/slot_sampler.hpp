// sigrun/cpp/slot_sampler.hpp: random slots that can take a job now, from some tiers of a request's pages. Each slot is
// equally likely, however unevenly they are spread over pages. For balancers; one per thread. Header-only, no allocation
// after construction, [hot].
//
// A word of the page bitset is drawn, a page in it, a slot in that. So that a page alone in its word, or a slot alone in its
// page, is not preferred, words and pages are accepted in proportion to how full they are compared with the fullest ones
// seen lately. Four words are looked at together: a branch that goes either way costs more than looking. Where that finds
// too little, the pages that have something are gathered and drawn from by their counts.
#pragma once

#include <sigrun/cpp/fleet_view.hpp>

#include <algorithm>
#include <vector>

namespace sigrun::sdk {

/// The functions are templates over the way to handle bits, see bit_select.hpp.
class slot_sampler {
public:
    struct drawn {
        std::uint32_t n = 0;     // how many slots were found
        std::uint32_t tier = 0;  // of the first one; meaningless for draw_any
    };

    slot_sampler() : kinds_(k_kinds) {}

    /// Up to `want` different slots of any tier.
    template <class Bits>
    [[gnu::always_inline]] drawn draw_any(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                          bit_source& bits, std::uint32_t want, std::uint32_t* out) noexcept {
        return {draw<Bits>(view, pages, any_tier{}, kind_of(req).any, bits, want, 0, out), 0};
    }

    /// Up to `want` different slots, those of lower tiers first. In fleets of more than k_exact_words * 4096 slots a thread
    /// looks everywhere for a better tier only on every few picks of a requirement, and in some places on the others.
    template <class Bits>
    [[gnu::always_inline]] drawn draw_lowest(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                             bit_source& bits, std::uint32_t want, std::uint32_t* out) noexcept {
        kind& k = kind_of(req);
        const std::uint32_t words = page_words(view);
        std::uint32_t first = 0;
        if (words > k_exact_words && k.picks_until_search) {
            --k.picks_until_search;
            first = lowest_at_some_words(view, pages, words, k.lowest, bits);
        } else {
            k.picks_until_search = static_cast<std::uint8_t>(std::clamp(words / 16, 3u, 255u));
        }
        drawn got = draw_from<Bits>(first, view, pages, k, bits, want, out);
        if (!got.n && first) got = draw_from<Bits>(0, view, pages, k, bits, want, out);
        k.lowest = static_cast<std::uint8_t>(got.tier);
        return got;
    }

private:
    static constexpr std::size_t k_kinds = 256;  // requirements that are kept apart
    static constexpr std::uint32_t k_exact_words = 8;
    static constexpr std::uint32_t k_gather = 512;  // pages
    static constexpr int k_patience = 24;           // rounds of four words; one that finds nothing counts as k_nothing
    static constexpr int k_nothing = 8;

    /// Rises with what is seen at once, and falls slowly when only less is seen.
    class fullest {
    public:
        std::uint32_t limit() const noexcept { return limit_; }
        void see(std::uint32_t count) noexcept {
            seen_ = std::max(seen_, static_cast<std::uint8_t>(count));
            limit_ = std::max(limit_, seen_);
        }
        void fade() noexcept {
            limit_ = std::max(seen_, static_cast<std::uint8_t>(limit_ - (limit_ + 7) / 8));
            if (!limit_) limit_ = 1;
            seen_ = 0;
        }

    private:
        std::uint8_t limit_ = 64, seen_ = 0;
    };
    struct crowding {
        fullest words, pages;
        std::uint8_t draws = 0;
    };
    struct kind {
        std::uint32_t pred_id = ~0u;
        std::uint8_t lowest = 0;              // tier that the last pick found something in
        std::uint8_t picks_until_search = 0;  // of all words for a better one
        crowding tier[SIGRUN_TIERS], any;
    };

    struct one_tier {
        std::uint32_t tier;
        std::uint64_t pages(const sigrun_view& v, std::uint32_t w) const noexcept {
            return load_once(v.page_any[tier][w]);
        }
        std::uint64_t slots(const sigrun_view& v, std::uint32_t page) const noexcept {
            return load_once(v.idle[tier][page]);
        }
    };
    struct any_tier {
        std::uint64_t pages(const sigrun_view& v, std::uint32_t w) const noexcept { return idle_pages(v, w); }
        std::uint64_t slots(const sigrun_view& v, std::uint32_t page) const noexcept { return idle_slots(v, page); }
    };

    kind& kind_of(const sigrun_req& req) noexcept {
        kind& k = kinds_[req.pred_id % k_kinds];
        if (k.pred_id != req.pred_id) {
            k = {};
            k.pred_id = req.pred_id;
        }
        return k;
    }

    static std::uint32_t scaled(std::uint64_t random, unsigned shift, std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>(((random >> shift & 0xffffffu) * n) >> 24);
    }
    static std::uint64_t without(std::uint64_t slots, std::uint32_t page, const std::uint32_t* taken,
                                 std::uint32_t n) noexcept {
        for (std::uint32_t i = 0; i < n; ++i)
            if (taken[i] >> 6 == page) slots &= ~(1ull << (taken[i] & 63u));
        return slots;
    }
    static bool any_page(const sigrun_view& view, const std::uint64_t* pages, std::uint32_t words,
                         std::uint32_t tier) noexcept {
        for (std::uint32_t w = 0; w < words; ++w)
            if (load_once(pages[w]) & load_once(view.page_any[tier][w])) return true;
        return false;
    }
    static std::uint32_t lowest_at_some_words(const sigrun_view& view, const std::uint64_t* pages, std::uint32_t words,
                                              std::uint32_t below, bit_source& bits) noexcept {
        const std::uint64_t random = bits.next();
        std::uint32_t lowest = below;
        for (unsigned i = 0; i < 4; ++i) {
            const auto w = static_cast<std::uint32_t>(((random >> 16 * i & 0xffffu) * words) >> 16);
            const std::uint64_t feasible = load_once(pages[w]);
            for (std::uint32_t t = 0; t < lowest; ++t)
                if (feasible & load_once(view.page_any[t][w])) lowest = t;
        }
        return lowest;
    }

    template <class Bits>
    [[gnu::always_inline]] drawn draw_from(std::uint32_t first, const sigrun_view& view, const std::uint64_t* pages,
                                           kind& k, bit_source& bits, std::uint32_t want, std::uint32_t* out) noexcept {
        drawn got;
        const std::uint32_t words = page_words(view);
        for (std::uint32_t t = first; t < SIGRUN_TIERS && got.n < want; ++t) {
            // The first one, if it is not 0, was good for the last pick.
            if ((t != first || !first) && !any_page(view, pages, words, t)) continue;
            const std::uint32_t n = draw<Bits>(view, pages, one_tier{t}, k.tier[t], bits, want, got.n, out);
            if (!got.n) got.tier = t;
            got.n = n;
        }
        return got;
    }

    /// out[0..have) are slots drawn before, not to be drawn again. Returns how many there are then.
    template <class Bits, class Planes>
    [[gnu::always_inline]] static std::uint32_t draw(const sigrun_view& view, const std::uint64_t* pages, Planes planes,
                                                     crowding& c, bit_source& bits, std::uint32_t want,
                                                     std::uint32_t have, std::uint32_t* out) noexcept {
        const std::uint32_t words = page_words(view);
        if (!words) return have;
        if (++c.draws == 32) {
            c.draws = 0;
            c.words.fade();
            c.pages.fade();
        }
        for (int patience = k_patience; patience > 0 && have < want;) {
            const std::uint64_t where[2] = {bits.next(), bits.next()}, luck = bits.next();
            const std::uint32_t word_limit = c.words.limit();
            std::uint32_t word[4], count[4], accepted = 0, most = 0;
            std::uint64_t some[4];
            for (unsigned i = 0; i < 4; ++i) {
                word[i] = static_cast<std::uint32_t>(((where[i / 2] >> 32 * (i % 2) & 0xffffffffu) * words) >> 32);
                some[i] = planes.pages(view, word[i]) & load_once(pages[word[i]]);
                count[i] = Bits::count(some[i]);
                most = std::max(most, count[i]);
                accepted |= static_cast<std::uint32_t>((luck >> 16 * i & 0xffffu) * word_limit < count[i] << 16) << i;
            }
            c.words.see(most);
            patience -= most ? 1 : k_nothing;
            for (; accepted; accepted &= accepted - 1) {
                const auto i = static_cast<std::uint32_t>(std::countr_zero(accepted));
                const std::uint64_t random = bits.next();
                const std::uint32_t page = word[i] * 64 + Bits::nth(some[i], scaled(random, 0, count[i]));
                const std::uint64_t slots = without(planes.slots(view, page), page, out, have);
                const std::uint32_t n = Bits::count(slots);
                c.pages.see(n);
                if ((random >> 48) * c.pages.limit() >= n << 16) continue;
                out[have++] = page * 64 + Bits::nth(slots, scaled(random, 24, n));
                if (have == want) return have;
            }
        }
        return have < want ? gather(view, pages, planes, c, bits, want, have, out) : have;
    }

    template <class Planes>
    [[gnu::noinline, gnu::cold]] static std::uint32_t gather(const sigrun_view& view, const std::uint64_t* pages,
                                                             Planes planes, crowding& c, bit_source& bits,
                                                             std::uint32_t want, std::uint32_t have,
                                                             std::uint32_t* out) noexcept {
        const std::uint32_t words = page_words(view), start = bits.below(words);
        std::uint32_t page[k_gather], n_pages = 0, total = 0;
        std::uint64_t slots[k_gather];
        for (std::uint32_t i = 0; i < words && n_pages < k_gather; ++i) {
            const std::uint32_t w = start + i < words ? start + i : start + i - words;
            std::uint64_t some = planes.pages(view, w) & load_once(pages[w]);
            for (; some && n_pages < k_gather; some &= some - 1) {
                page[n_pages] = w * 64 + static_cast<std::uint32_t>(std::countr_zero(some));
                slots[n_pages] = without(planes.slots(view, page[n_pages]), page[n_pages], out, have);
                const std::uint32_t n = count_bits(slots[n_pages]);
                c.pages.see(n);
                total += n;
                n_pages += n > 0;
            }
        }
        for (; have < want && total; --total) {
            std::uint32_t nth = bits.below(total), p = 0;
            for (std::uint32_t n; (n = count_bits(slots[p])) <= nth; ++p) nth -= n;
            const std::uint32_t bit = nth_bit(slots[p], nth);
            slots[p] &= ~(1ull << bit);
            out[have++] = page[p] * 64 + bit;
        }
        return have;
    }

    std::vector<kind> kinds_;
};

}  // namespace sigrun::sdk
