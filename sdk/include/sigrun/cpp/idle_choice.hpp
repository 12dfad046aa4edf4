// sigrun/cpp/idle_choice.hpp: a random slot of the lowest tier that has one. Header-only, no allocation, [hot].
#pragma once

#include <sigrun/cpp/fleet_view.hpp>

#include <algorithm>

namespace sigrun::sdk {

/// Draws slots that can take a job now. Every one of the tier is equally likely while at most 512 pages have some; beyond
/// that a runner alone in its page may be drawn up to a few times as often as one in a full page.
class idle_choice {
public:
    idle_choice(const sigrun_view& view, const std::uint64_t* pages, bit_source& bits) noexcept
        : view_(view), pages_(pages), bits_(bits), words_(page_words(view)) {}

    static constexpr std::uint32_t k_none = ~0u;

    /// From the lowest tier; from any if `any_tier`. Slots of `taken` are left out.
    std::uint32_t draw(const std::uint32_t* taken, std::uint32_t n_taken, bool any_tier = false) noexcept {
        taken_ = taken;
        n_taken_ = n_taken;
        if (any_tier) {
            tier_ = k_all_tiers;
            return draw_from_tier();
        }
        for (tier_ = 0; tier_ < SIGRUN_TIERS; ++tier_)
            if (const std::uint32_t slot = draw_from_tier(); slot != k_none) return slot;
        return k_none;
    }

private:
    static constexpr std::uint32_t k_all_tiers = SIGRUN_TIERS, k_few_words = 16, k_few_pages = 512;

    std::uint64_t pages_of(std::uint32_t word) const noexcept {
        return load_once(pages_[word]) &
               (tier_ == k_all_tiers ? idle_pages(view_, word) : load_once(view_.page_any[tier_][word]));
    }
    std::uint64_t slots_of(std::uint32_t page) const noexcept {
        std::uint64_t w = tier_ == k_all_tiers ? idle_slots(view_, page) : idle_slots(view_, tier_, page);
        for (std::uint32_t i = 0; i < n_taken_; ++i)
            if (taken_[i] >> 6 == page) w &= ~(1ull << (taken_[i] & 63u));
        return w;
    }
    /// A random page among those that may have some; where there are many, of the first word that has any, from a random
    /// one on.
    std::uint32_t draw_page(std::uint32_t* n_pages) const noexcept {
        if (words_ <= k_few_words) {
            std::uint64_t some[k_few_words];
            std::uint32_t total = 0;
            for (std::uint32_t w = 0; w < words_; ++w) total += count_bits(some[w] = pages_of(w));
            *n_pages = total;
            if (!total) return k_none;
            std::uint32_t nth = bits_.below(total);
            for (std::uint32_t w = 0;; ++w) {
                const std::uint32_t n = count_bits(some[w]);
                if (nth < n) return w * 64 + nth_bit(some[w], nth);
                nth -= n;
            }
        }
        *n_pages = ~0u;
        const std::uint32_t start = bits_.below(words_);
        for (std::uint32_t i = 0; i < words_; ++i) {
            const std::uint32_t w = start + i < words_ ? start + i : start + i - words_;
            if (const std::uint64_t some = pages_of(w)) return w * 64 + random_bit(some, bits_);
        }
        return k_none;
    }
    std::uint32_t draw_from_tier() const noexcept {
        std::uint32_t page = k_none, n_pages = 0;
        std::uint64_t slots = 0;
        for (int tries = 0; tries < 8; ++tries) {
            page = draw_page(&n_pages);
            if (page == k_none) return k_none;
            slots = slots_of(page);
            // Thinned, so that a page with few candidates is not preferred to one with many.
            const std::uint32_t accepted = n_pages == 1 ? 0 : bits_.below(64);
            if (slots && accepted < count_bits(slots)) return page * 64 + random_bit(slots, bits_);
        }
        if (slots && n_pages > k_few_pages) return page * 64 + random_bit(slots, bits_);
        return draw_by_count();
    }
    /// Exactly uniform, by a look at every page.
    std::uint32_t draw_by_count() const noexcept {
        std::uint64_t total = 0, chosen_slots = 0;
        std::uint32_t chosen = 0;
        for (std::uint32_t w = 0; w < words_; ++w)
            for (std::uint64_t rest = pages_of(w); rest; rest &= rest - 1) {
                const std::uint32_t page = w * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
                const std::uint64_t slots = slots_of(page);
                const std::uint32_t n = count_bits(slots);
                if (!n) continue;
                total += n;
                if (total != n && bits_.below(static_cast<std::uint32_t>(total)) >= n) continue;
                chosen = page;
                chosen_slots = slots;
            }
        return total ? chosen * 64 + random_bit(chosen_slots, bits_) : k_none;
    }

    const sigrun_view& view_;
    const std::uint64_t* pages_;
    bit_source& bits_;
    std::uint32_t words_;
    std::uint32_t tier_ = 0;
    const std::uint32_t* taken_ = nullptr;
    std::uint32_t n_taken_ = 0;
};

}  // namespace sigrun::sdk
