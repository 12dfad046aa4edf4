#include "zone_walk.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>

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
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER
                   ? sdk::balancer_table<balancer, sdk::plain_picker<balancer, zone_walk>, k_caps>()
                   : nullptr;
    }
    const spill_limits& per_thread() const noexcept { return limits_; }

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
