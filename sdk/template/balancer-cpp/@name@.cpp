// A balancer in C++: takes the first runner that is free, in the best tier that has one. Requests of one batch are spread
// over different runners.
#include <sigrun/cpp/fleet_view.hpp>
#include <sigrun/cpp/plugin.hpp>

#include <bit>

namespace {

using namespace sigrun::sdk;

// [hot] No lock, no allocation, no system call, no call into the host from here on.

bool taken(const sigrun_pick* out, std::uint32_t n, std::uint32_t slot) noexcept {
    for (std::uint32_t i = 0; i < n; ++i)
        if (out[i].n && out[i].slot[0] == slot) return true;
    return false;
}

bool first_of_page(const sigrun_view& view, std::uint32_t tier, std::uint32_t page, const sigrun_pick* before,
                   std::uint32_t n, sigrun_pick& out) noexcept {
    const std::uint32_t words = 1u << (view.page_shift - 6);
    for (std::uint32_t w = 0; w < words; ++w) {
        for (auto bits = load_once(view.idle[tier][page * words + w]); bits; bits &= bits - 1) {
            const auto slot = (page << view.page_shift) + 64 * w + static_cast<std::uint32_t>(std::countr_zero(bits));
            if (slot >= view.n_slots || taken(before, n, slot)) continue;
            out.slot[0] = slot;
            out.n = 1;
            out.reason = SIGRUN_WHY_IDLE_TIER;
            out.tier = static_cast<std::uint8_t>(tier);
            return true;
        }
    }
    return false;
}

bool first_fit(const sigrun_view& view, const std::uint64_t* pages, const sigrun_pick* before, std::uint32_t n,
               sigrun_pick& out) noexcept {
    for (std::uint32_t tier = 0; tier < SIGRUN_TIERS; ++tier)
        for (std::uint32_t w = 0; w < page_words(view); ++w)
            for (auto bits = load_once(pages[w]) & load_once(view.page_any[tier][w]); bits; bits &= bits - 1) {
                const auto page = 64 * w + static_cast<std::uint32_t>(std::countr_zero(bits));
                if (page < view.n_pages && first_of_page(view, tier, page, before, n, out)) return true;
            }
    return false;
}

class balancer {
public:
    balancer(host, const config_reader&) {}
    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_BALANCER ? &k_table : nullptr; }

private:
    static std::uint32_t pick(void*, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
                              const std::uint64_t* pred_pages, sigrun_pick* out) noexcept {
        std::uint32_t placed = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            out[i] = {};
            placed += first_fit(*view, pred_pages + req[i].pred_pages_off, out, i, out[i]);
        }
        return placed;
    }

    static constexpr sigrun_balancer k_table = {sizeof(sigrun_balancer),
                                                1,
                                                SIGRUN_BALANCER_STATELESS | SIGRUN_BALANCER_DETERMINISTIC,
                                                0,
                                                nullptr,
                                                nullptr,
                                                nullptr,
                                                &pick,
                                                nullptr,
                                                nullptr,
                                                nullptr,
                                                nullptr,
                                                nullptr};
};

}  // namespace

SIGRUN_PLUGIN("@id@", "1.0.0", "First fit", 0,
              sigrun::sdk::component<balancer>("@name@", SIGRUN_KIND_BALANCER, "Takes the first free runner"))
