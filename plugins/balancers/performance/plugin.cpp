#include <sigrun/cpp/balancer_plugin.hpp>
#include <sigrun/cpp/expected_cost.hpp>
#include <sigrun/cpp/slot_sampler.hpp>

#include <algorithm>

namespace sigrun::performance {
namespace {

constexpr std::uint32_t k_most = 8;

constexpr sigrun_opt k_options[] = {
    sdk::option(
        "samples", SIGRUN_OPT_INT,
        {.def = "8", .doc = "How many random runners of the best tiers are compared.", .min = 2, .max = k_most}),
};

class balancer;

class picker {
public:
    explicit picker(const balancer& whole);

    template <class Bits>
    [[gnu::always_inline]] void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                     sigrun_pick& out) noexcept {
        sdk::bit_source bits(req.rng);
        const std::uint32_t want = std::clamp<std::uint32_t>(req.want_k, 1, 4);
        if (req.flags & SIGRUN_REQ_EXPLORE) {
            out.n = static_cast<std::uint8_t>(sampler_.draw_any<Bits>(view, req, pages, bits, want, out.slot).n);
            if (out.n) out.reason = SIGRUN_WHY_EXPLORE;
            return;
        }
        std::uint32_t drawn[k_most], best[k_most], rank[k_most];
        const std::uint32_t n = sampler_.draw_lowest<Bits>(view, req, pages, bits, std::max(samples_, want), drawn).n;
        if (!n) return;
        for (std::uint32_t i = 0; i < n; ++i) {
            // Tiers first: an idle runner of a better tier is never passed over for a score.
            const std::uint64_t word = sdk::load_once(view.hot[drawn[i]]);
            const std::uint32_t r = SIGRUN_HOT_TIER(word) << 16 | std::min(sdk::expected_cost(word), 65'535u);
            std::uint32_t at = i;
            for (; at && r < rank[at - 1]; --at) {
                best[at] = best[at - 1];
                rank[at] = rank[at - 1];
            }
            best[at] = drawn[i];
            rank[at] = r;
        }
        out.n = static_cast<std::uint8_t>(std::min(n, want));
        std::copy_n(best, out.n, out.slot);
        out.reason = SIGRUN_WHY_SED;
        out.tier = static_cast<std::uint8_t>(rank[0] >> 16);
        out.score_q = static_cast<std::uint16_t>(rank[0]);
    }

private:
    sdk::slot_sampler sampler_;
    const std::uint32_t samples_;
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config)
        : samples(static_cast<std::uint32_t>(config.integer("samples"))) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, picker, k_caps>() : nullptr;
    }
    const std::uint32_t samples;
};

picker::picker(const balancer& whole) : samples_(whole.samples) {}

}  // namespace
}  // namespace sigrun::performance

SIGRUN_PLUGIN("sigrun.performance", "1.0.0", "The runner where a job is expected to be done first", 0,
              sigrun::sdk::component<sigrun::performance::balancer>(
                  "performance", SIGRUN_KIND_BALANCER,
                  "Takes the lowest expected cost of a few random runners of the best tiers",
                  sigrun::performance::k_options),
              sigrun::sdk::component<sigrun::performance::balancer>("performance_based", SIGRUN_KIND_BALANCER,
                                                                    "Another name of performance",
                                                                    sigrun::performance::k_options))
