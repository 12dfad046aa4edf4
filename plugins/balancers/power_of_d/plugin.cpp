#include "sample.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>
#include <sigrun/cpp/slot_sampler.hpp>

#include <algorithm>

namespace sigrun::power_of_d {
namespace {

constexpr std::uint32_t k_most = 8;

constexpr sigrun_opt k_options[] = {
    sdk::option("d", SIGRUN_OPT_INT,
                {.def = "2", .doc = "How many random runners are compared; 1 = any.", .min = 1, .max = k_most}),
    sdk::option("compare", SIGRUN_OPT_CHOICE,
                {.def = "load",
                 .doc = "By jobs in flight for places and weight, or by how long a job is expected to take there.",
                 .choices = "load,expected_cost"}),
};

class balancer;

class picker {
public:
    explicit picker(const balancer& whole);

    template <class Bits>
    [[gnu::always_inline]] void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                     sigrun_pick& out) noexcept {
        sdk::bit_source bits(req.rng);
        const bool explore = req.flags & SIGRUN_REQ_EXPLORE;
        const std::uint32_t want = std::clamp<std::uint32_t>(req.want_k, 1, 4), d = explore ? 1 : d_;
        std::uint32_t drawn[k_most];
        const std::uint32_t n = sampler_.draw_any<Bits>(view, req, pages, bits, std::max(d, want), drawn).n;
        if (!n) return;
        // The first d compete; what else was drawn is there for alternates alone.
        const std::uint32_t competing = std::min(d, n);
        sample best[k_most];
        for (std::uint32_t i = 0; i < competing; ++i) {
            const sample s = by_cost_ ? rate_by_cost(view, drawn[i]) : rate_by_load(view, drawn[i]);
            std::uint32_t at = i;
            for (; at && s.better_than(best[at - 1]); --at) best[at] = best[at - 1];
            best[at] = s;
        }
        out.n = static_cast<std::uint8_t>(std::min(n, want));
        for (std::uint32_t i = 0; i < out.n; ++i) out.slot[i] = i < competing ? best[i].slot : drawn[i];
        out.reason = explore ? SIGRUN_WHY_EXPLORE : SIGRUN_WHY_POWER_OF_D;
        out.score_q = by_cost_ ? static_cast<std::uint16_t>(std::min<std::uint64_t>(best[0].jobs, 65'535))
                               : share_of_places(view, best[0].slot);
    }

private:
    sdk::slot_sampler sampler_;
    const std::uint32_t d_;
    const bool by_cost_;
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config)
        : d(static_cast<std::uint32_t>(config.integer("d"))), by_cost(config.text("compare") == "expected_cost") {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, picker, k_caps>() : nullptr;
    }
    const std::uint32_t d;
    const bool by_cost;
};

picker::picker(const balancer& whole) : d_(whole.d), by_cost_(whole.by_cost) {}

}  // namespace
}  // namespace sigrun::power_of_d

SIGRUN_PLUGIN("sigrun.power_of_d", "1.0.0", "The least loaded of a few random runners", 0,
              sigrun::sdk::component<sigrun::power_of_d::balancer>(
                  "power_of_d", SIGRUN_KIND_BALANCER,
                  "Takes the one with the lowest load, or the lowest expected cost, of d random runners",
                  sigrun::power_of_d::k_options))
