#include "zone_walk.hpp"

#include <sigrun/cpp/plugin.hpp>

namespace sigrun::geographic {
namespace {

constexpr sigrun_opt k_options[] = {
    sdk::option(
        "spill_margin", SIGRUN_OPT_FLOAT,
        {.def = "0.1",
         .doc = "How much more a wait in the nearest zone must cost than an idle place further away before jobs "
                "begin to go there; they go on until it costs less. 0.1 = 10 %.",
         .min = 0,
         .max = 10}),
    sdk::option(
        "spill_per_second", SIGRUN_OPT_FLOAT,
        {.def = "0.05",
         .doc = "The share of a source's jobs that changes between its nearest zone and others within a second, "
                "while a wait costs less than a second more.",
         .min = 0.001,
         .max = 1}),
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config)
        : limits_{config.real("spill_margin"), config.real("spill_per_second")} {}

    const void* interface(std::string_view id) noexcept {
        static constexpr sigrun_balancer table = {
            sizeof(sigrun_balancer),
            1,
            SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC,
            0,
            [](sigrun_instance* i, std::uint32_t) noexcept -> void* {
                try {
                    return new zone_walk(sdk::self<balancer>(i).limits_);
                } catch (...) {
                    return nullptr;
                }
            },
            [](sigrun_instance*, void* tls) noexcept { delete static_cast<zone_walk*>(tls); },
            nullptr,
            [](void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
               const std::uint64_t* pred_pages, sigrun_pick* out) noexcept -> std::uint32_t {
                std::uint32_t placed = 0;
                for (std::uint32_t i = 0; i < n; ++i) {
                    out[i] = {};
                    if (tls)
                        static_cast<zone_walk*>(tls)->pick(*view, req[i], pred_pages + req[i].pred_pages_off, out[i]);
                    placed += out[i].n > 0;
                }
                return placed;
            },
            nullptr,
            nullptr,
            nullptr};
        return id == SIGRUN_KIND_BALANCER ? &table : nullptr;
    }

private:
    const spill_limits limits_;
};

}  // namespace
}  // namespace sigrun::geographic

SIGRUN_PLUGIN("sigrun.geographic", "1.0.0", "The zone that costs least to use", 0,
              sigrun::sdk::component<sigrun::geographic::balancer>(
                  "geographic", SIGRUN_KIND_BALANCER,
                  "Takes an idle runner in the zone with the least round trip, wait and cost of egress",
                  sigrun::geographic::k_options))
