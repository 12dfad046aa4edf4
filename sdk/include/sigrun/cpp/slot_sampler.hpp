// sigrun/cpp/slot_sampler.hpp: random slots that can take a job now, from some tiers of a request's pages. Each slot is
// equally likely, however unevenly they are spread over pages. For balancers; one per thread. Header-only, no allocation
// after construction, [hot].
//
// A word of the page bitset is drawn, a page in it, a slot in that. So that a page alone in its word, or a slot alone in its
// page, is not preferred, words and pages are accepted in proportion to how full they are compared with the fullest ones
// seen lately. Four words and two pages are looked at together: a branch that goes either way costs more than looking.
// Where that finds too little, the pages that have something are gathered and drawn from by their counts.
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
        const std::uint32_t words = page_words(view);
        if (!words) return {};
        const any_tier planes{view, pages};
        crowding& c = kind_of(req).any;
        if (words > k_few)
            return {draw<Bits>(planes, many_words<Bits, any_tier>{planes, words}, words, c, bits, want, 0, out)};
        std::uint64_t some[k_few];
#pragma GCC unroll 4
        for (std::uint32_t w = 0; w < k_few; ++w) some[w] = w < words ? planes.pages(w) : 0;
        return {draw<Bits>(planes, few_words<Bits>(some), words, c, bits, want, 0, out)};
    }

    /// Up to `want` different slots, those of lower tiers first. In fleets of more than k_exact_words * 4096 slots a thread
    /// looks everywhere for a better tier only on every few picks of a requirement, and in some places on the others.
    template <class Bits>
    [[gnu::always_inline]] drawn draw_lowest(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                             bit_source& bits, std::uint32_t want, std::uint32_t* out) noexcept {
        const std::uint32_t words = page_words(view);
        if (!words) return {};
        kind& k = kind_of(req);
        return words <= k_few ? lowest_of_few<Bits>(view, pages, words, k, bits, want, out)
                              : lowest_of_many<Bits>(view, pages, words, k, bits, want, out);
    }

private:
    static constexpr std::size_t k_kinds = 256;  // requirements that are kept apart
    static constexpr std::uint32_t k_few = 4;    // words that are all looked at for each pick
    static constexpr std::uint32_t k_exact_words = 8;
    static constexpr std::uint32_t k_gather = 512;  // pages
    static constexpr int k_patience = 24;           // rounds; one that finds nothing counts as k_nothing
    static constexpr int k_nothing = 8;

    /// Rises with what is seen at once, and falls slowly when only less is seen.
    class fullest {
    public:
        std::uint32_t limit() const noexcept { return limit_; }
        void see(std::uint32_t count) noexcept {
            const std::uint32_t seen = seen_, limit = limit_;
            seen_ = static_cast<std::uint8_t>(count > seen ? count : seen);
            limit_ = static_cast<std::uint8_t>(count > limit ? count : limit);
        }
        void fade() noexcept {
            const int lower = limit_ - (limit_ + 7) / 8;
            limit_ = static_cast<std::uint8_t>(std::max({lower, int{seen_}, 1}));
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
        const sigrun_view& view;
        const std::uint64_t *any, *idle, *feasible;
        one_tier(const sigrun_view& of, const std::uint64_t* pages, std::uint32_t tier) noexcept
            : view(of), any(view.page_any[tier]), idle(view.idle[tier]), feasible(pages) {}
        std::uint64_t pages(std::uint32_t w) const noexcept { return load_once(any[w]) & load_once(feasible[w]); }
        std::uint64_t slots(std::uint32_t page) const noexcept {
            return load_once(idle[page]) & matching_slots(view, page);
        }
        bool some_page(std::uint32_t words) const noexcept {
            for (std::uint32_t w = 0; w < words; ++w)
                if (pages(w)) return true;
            return false;
        }
    };
    struct any_tier {
        const sigrun_view& view;
        const std::uint64_t* feasible;
        std::uint64_t pages(std::uint32_t w) const noexcept { return idle_pages(view, w) & load_once(feasible[w]); }
        std::uint64_t slots(std::uint32_t page) const noexcept { return idle_slots(view, page); }
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
    template <class Bits>
    [[gnu::always_inline]] static drawn lowest_of_few(const sigrun_view& view, const std::uint64_t* pages,
                                                      std::uint32_t words, kind& k, bit_source& bits,
                                                      std::uint32_t want, std::uint32_t* out) noexcept {
        std::uint64_t feasible[k_few];
        std::uint32_t at[k_few];
#pragma GCC unroll 4
        for (std::uint32_t w = 0; w < k_few; ++w) {
            at[w] = w < words ? w : 0;
            feasible[w] = w < words ? load_once(pages[w]) : 0;
        }
        drawn got;
        for (std::uint32_t t = 0; t < SIGRUN_TIERS && got.n < want; ++t) {
            const one_tier planes(view, pages, t);
            std::uint64_t some[k_few], all = 0;
#pragma GCC unroll 4
            for (std::uint32_t w = 0; w < k_few; ++w) all |= some[w] = load_once(planes.any[at[w]]) & feasible[w];
            if (!all) continue;
            const std::uint32_t n = draw<Bits>(planes, few_words<Bits>(some), words, k.tier[t], bits, want, got.n, out);
            if (!got.n) got.tier = t;
            got.n = n;
        }
        return got;
    }

    template <class Bits>
    [[gnu::always_inline]] static drawn lowest_of_many(const sigrun_view& view, const std::uint64_t* pages,
                                                       std::uint32_t words, kind& k, bit_source& bits,
                                                       std::uint32_t want, std::uint32_t* out) noexcept {
        std::uint32_t first = 0;
        if (words > k_exact_words && k.picks_until_search) {
            --k.picks_until_search;
            first = lowest_at_some_words(view, pages, words, k.lowest, bits);
        } else {
            k.picks_until_search = static_cast<std::uint8_t>(std::clamp(words / 16, 3u, 255u));
        }
        drawn got;
        for (;;) {
            for (std::uint32_t t = first; t < SIGRUN_TIERS && got.n < want; ++t) {
                const one_tier planes(view, pages, t);
                // The first one, if it is not 0, was good for the last pick.
                if ((t != first || !first) && !planes.some_page(words)) continue;
                const std::uint32_t n = draw<Bits>(planes, many_words<Bits, one_tier>{planes, words}, words, k.tier[t],
                                                   bits, want, got.n, out);
                if (!got.n) got.tier = t;
                got.n = n;
            }
            if (got.n || !first) break;
            first = 0;
        }
        k.lowest = static_cast<std::uint8_t>(got.tier);
        return got;
    }
    [[gnu::always_inline]] static std::uint32_t lowest_at_some_words(const sigrun_view& view,
                                                                     const std::uint64_t* pages, std::uint32_t words,
                                                                     std::uint32_t below, bit_source& bits) noexcept {
        const std::uint64_t random = bits.next();
        std::uint32_t at[4];
        std::uint64_t feasible[4];
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) {
            at[i] = static_cast<std::uint32_t>(((random >> 16 * i & 0xffffu) * words) >> 16);
            feasible[i] = load_once(pages[at[i]]);
        }
        for (std::uint32_t t = 0; t < below; ++t) {
            std::uint64_t some = 0;
#pragma GCC unroll 4
            for (unsigned i = 0; i < 4; ++i) some |= load_once(view.page_any[t][at[i]]) & feasible[i];
            if (some) return t;
        }
        return below;
    }

    /// Two random pages for each look, each with the same chance.
    struct two_pages {
        std::uint32_t page[2] = {0, 0};
        bool any = false;
    };
    /// Of a few words: all their pages are known.
    template <class Bits>
    struct few_words {
        std::uint64_t some[k_few];
        std::uint32_t before[k_few], total = 0;

        [[gnu::always_inline]] explicit few_words(const std::uint64_t* words) noexcept {
#pragma GCC unroll 4
            for (std::uint32_t w = 0; w < k_few; ++w) {
                before[w] = total;
                total += Bits::count(some[w] = words[w]);
            }
        }
        [[gnu::always_inline]] std::uint32_t at(std::uint64_t random32) const noexcept {
            const auto nth = static_cast<std::uint32_t>((random32 * total) >> 32);
            const std::uint32_t w = (nth >= before[1]) + (nth >= before[2]) + (nth >= before[3]);
            return w * 64 + Bits::nth(some[w], nth - before[w]);
        }
        [[gnu::always_inline]] two_pages draw(crowding&, bit_source& bits) const noexcept {
            const std::uint64_t random = bits.next();
            if (!total) return {};
            return {{at(random >> 32), at(random & 0xffffffffu)}, true};
        }
    };
    /// Of more words than one looks at for each pick: four random ones.
    template <class Bits, class Planes>
    struct many_words {
        const Planes planes;
        const std::uint32_t words;

        [[gnu::always_inline]] two_pages draw(crowding& c, bit_source& bits) const noexcept {
            const std::uint64_t where[2] = {bits.next(), bits.next()}, luck = bits.next();
            const std::uint32_t limit = c.words.limit();
            std::uint32_t word[4], count[4], accepted = 0, most = 0;
            std::uint64_t some[4];
#pragma GCC unroll 4
            for (unsigned i = 0; i < 4; ++i) {
                word[i] = static_cast<std::uint32_t>(((where[i / 2] >> 32 * (i % 2) & 0xffffffffu) * words) >> 32);
                some[i] = planes.pages(word[i]);
                count[i] = Bits::count(some[i]);
                most = count[i] > most ? count[i] : most;
                accepted |= static_cast<std::uint32_t>((luck >> 16 * i & 0xffffu) * limit < count[i] << 16) << i;
            }
            c.words.see(most);
            two_pages out;
            if (!accepted) return out;
            const auto a = static_cast<std::uint32_t>(std::countr_zero(accepted));
            accepted = accepted & (accepted - 1) ? accepted & (accepted - 1) : accepted;
            const auto b = static_cast<std::uint32_t>(std::countr_zero(accepted));
            // The low bits of `where` have little to do with which words these are.
            out.page[0] = word[a] * 64 + Bits::nth(some[a], scaled(where[0], 0, count[a]));
            out.page[1] = word[b] * 64 + Bits::nth(some[b], scaled(where[1], 0, count[b]));
            out.any = true;
            return out;
        }
    };

    /// out[0..have) are slots drawn before, not to be drawn again. Returns how many there are then.
    template <class Bits, class Planes, class Words>
    [[gnu::always_inline]] static std::uint32_t draw(const Planes& planes, const Words& from, std::uint32_t words,
                                                     crowding& c, bit_source& bits, std::uint32_t want,
                                                     std::uint32_t have, std::uint32_t* out) noexcept {
        if (++c.draws == 32) {
            c.draws = 0;
            c.words.fade();
            c.pages.fade();
        }
        for (int patience = k_patience; patience > 0 && have < want; --patience) {
            const two_pages pages = from.draw(c, bits);
            if (!pages.any) {
                patience -= k_nothing;
                continue;
            }
            const std::uint64_t random = bits.next();
            std::uint64_t slots[2];
            std::uint32_t n[2];
#pragma GCC unroll 2
            for (unsigned i = 0; i < 2; ++i) {
                slots[i] = without(planes.slots(pages.page[i]), pages.page[i], out, have);
                n[i] = Bits::count(slots[i]);
                c.pages.see(n[i]);
            }
            const std::uint32_t limit = c.pages.limit(), luck[2] = {static_cast<std::uint32_t>(random >> 48),
                                                                    static_cast<std::uint32_t>(random >> 32 & 0xffffu)};
            bool accepted[2] = {std::uint64_t{luck[0]} * limit < n[0] << 16,
                                std::uint64_t{luck[1]} * limit < n[1] << 16};
            if (want - have == 1) {
                if (!(accepted[0] | accepted[1])) continue;
                const unsigned i = accepted[0] ? 0 : 1;
                out[have++] = pages.page[i] * 64 + Bits::nth(slots[i], scaled(random, 0, n[i]));
                break;
            }
            if (accepted[0]) {
                const std::uint32_t bit = Bits::nth(slots[0], scaled(random, 0, n[0]));
                out[have++] = pages.page[0] * 64 + bit;
                if (pages.page[0] == pages.page[1]) {
                    slots[1] &= ~(1ull << bit);
                    accepted[1] = std::uint64_t{luck[1]} * limit < --n[1] << 16;
                }
            }
            if (accepted[1]) {
                const std::uint64_t more = bits.next();
                out[have++] = pages.page[1] * 64 + Bits::nth(slots[1], scaled(more, 0, n[1]));
            }
        }
        return have < want ? gather(planes, words, c, bits, want, have, out) : have;
    }

    template <class Planes>
    [[gnu::noinline, gnu::cold]] static std::uint32_t gather(const Planes planes, std::uint32_t words, crowding& c,
                                                             bit_source& bits, std::uint32_t want, std::uint32_t have,
                                                             std::uint32_t* out) noexcept {
        const std::uint32_t start = bits.below(words);
        std::uint32_t page[k_gather], n_pages = 0, total = 0;
        std::uint64_t slots[k_gather];
        for (std::uint32_t i = 0; i < words && n_pages < k_gather; ++i) {
            const std::uint32_t w = start + i < words ? start + i : start + i - words;
            for (std::uint64_t some = planes.pages(w); some && n_pages < k_gather; some &= some - 1) {
                page[n_pages] = w * 64 + static_cast<std::uint32_t>(std::countr_zero(some));
                slots[n_pages] = without(planes.slots(page[n_pages]), page[n_pages], out, have);
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
