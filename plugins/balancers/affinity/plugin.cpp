#include "bounded_choice.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>

namespace sigrun::affinity {
namespace {

constexpr sigrun_opt k_options[] = {
    sdk::option("bound", SIGRUN_OPT_FLOAT,
                {.def = "1.25",
                 .doc = "Jobs a runner may have in flight, as a multiple of its share by places and weight, before "
                        "further jobs with its keys go to the next runner.",
                 .min = 1.05,
                 .max = 4}),
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config) : bound_(config.real("bound")) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps =
            SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_USES_KEY | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER
                   ? sdk::balancer_table<balancer, sdk::plain_picker<balancer, bounded_choice>, k_caps>()
                   : nullptr;
    }
    const double& per_thread() const noexcept { return bound_; }

private:
    const double bound_;
};

}  // namespace
}  // namespace sigrun::affinity

SIGRUN_PLUGIN("sigrun.affinity", "1.0.0", "The same runner for the same key", 0,
              sigrun::sdk::component<sigrun::affinity::balancer>(
                  "affinity", SIGRUN_KIND_BALANCER,
                  "Takes the runner that a job's key belongs to, unless it is loaded beyond its share",
                  sigrun::affinity::k_options))
