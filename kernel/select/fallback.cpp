// The built-in choice when a balancer proposed nothing that could be claimed: the less loaded of two random
// idle slots, and if those are lost too, whatever idle slot is left. Finds a free place whenever there is
// one in the first `planes` planes.
#include "kernel/select/selector_impl.hpp"

#include <sigrun/cpp/fleet_view.hpp>

#include <utility>

namespace sigrun {
namespace {

constexpr std::uint32_t k_none = ~0u;
// Where the facts of all runners have grown old at once: a look at each takes time, and the next tick sorts them out.
constexpr int k_most_too_old = 256;

}  // namespace

bool selector::impl::fall_back(const pick_request& r, dispatcher& d, const std::uint64_t* pages, int planes,
                               pick_result& out) noexcept {
    const std::uint32_t words = (d.view.n_pages + 63) / 64;
    if (!words) return false;
    sdk::bit_source bits(d.random());
    int too_old = 0;
    auto take = [&](std::uint32_t slot) {
        const claimed c = claim(r, slot, planes);
        too_old += c.aged;
        if (!c.done) return false;
        fill(out, r, slot, c);
        out.explain.reason = planes > hot::k_ejected ? SIGRUN_WHY_PANIC : SIGRUN_WHY_BUILTIN_FALLBACK;
        return true;
    };
    // The first tier that has something: a random word to begin with, a random page of it, a random slot of
    // that.
    auto sample = [&]() -> std::uint32_t {
        const std::uint32_t start = bits.below(words);
        for (int t = 0; t < planes; ++t)
            for (std::uint32_t i = 0; i < words; ++i) {
                const std::uint32_t w = start + i < words ? start + i : start + i - words;
                std::uint64_t some = sdk::load_once(pages[w]) & index.tiers().pages(t, w);
                while (some) {
                    const std::uint32_t page = w * 64 + sdk::random_bit(some, bits);
                    if (const std::uint64_t idle = index.tiers().slots(t, page) & r.pred->slots(page))
                        return page * 64 + sdk::random_bit(idle, bits);
                    some &= ~bit_of(page);
                }
            }
        return k_none;
    };
    for (int attempt = 0; attempt < 3; ++attempt) {
        std::uint32_t a = sample();
        if (a == k_none) return false;
        std::uint32_t b = sample();
        if (b == k_none) b = a;
        const std::uint64_t load_a = hot::in_flight(index.hot(a).load()), load_b = hot::in_flight(index.hot(b).load());
        const std::uint64_t places_a = index.page(page_of(a)).places, places_b = index.page(page_of(b)).places;
        if (load_b * places_a < load_a * places_b) std::swap(a, b);
        if (take(a) || (b != a && take(b))) return true;
    }
    // Contended, or only excluded slots were drawn: one after the other from a random page on.
    const std::uint32_t start = bits.below(words);
    for (std::uint32_t i = 0; i < words; ++i) {
        const std::uint32_t w = start + i < words ? start + i : start + i - words;
        for (std::uint64_t some = sdk::load_once(pages[w]); some; some &= some - 1) {
            const std::uint32_t page = w * 64 + static_cast<std::uint32_t>(std::countr_zero(some));
            for (int t = 0; t < planes; ++t)
                for (std::uint64_t idle = index.tiers().slots(t, page) & r.pred->slots(page); idle; idle &= idle - 1)
                    if (take(page * 64 + static_cast<std::uint32_t>(std::countr_zero(idle)))) return true;
            if (too_old > k_most_too_old) return false;
        }
    }
    return false;
}

}  // namespace sigrun
