#include "protocol_weights.hpp"
#include "ring.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>

namespace sigrun::round_robin {
namespace {

constexpr sigrun_opt k_options[] = {
    sdk::option("protocol_weights", SIGRUN_OPT_LIST,
                {.def = "valkyrie=1.2,grpc=1.1,http=1.0,websocket=0.9",
                 .doc = "Share of a runner by the best protocol it has in common with the job, also by its id (5=1.1); "
                        "0.01 to 100, "
                        "1.0 where not named."}),
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config) : weights_(config.list("protocol_weights")) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, sdk::plain_picker<balancer, ring>, k_caps>()
                                          : nullptr;
    }
    const protocol_weights& per_thread() const noexcept { return weights_; }

private:
    const protocol_weights weights_;
};

}  // namespace
}  // namespace sigrun::round_robin

SIGRUN_PLUGIN("sigrun.round_robin", "1.0.0", "Weighted, protocol-aware round robin", 0,
              sigrun::sdk::component<sigrun::round_robin::balancer>(
                  "round_robin", SIGRUN_KIND_BALANCER, "Takes runners in turn, in proportion to their weights",
                  sigrun::round_robin::k_options),
              sigrun::sdk::component<sigrun::round_robin::balancer>("weighted_round_robin", SIGRUN_KIND_BALANCER,
                                                                    "Another name of round_robin",
                                                                    sigrun::round_robin::k_options))
