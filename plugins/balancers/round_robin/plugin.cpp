#include "protocol_weights.hpp"
#include "ring.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <new>

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
        static constexpr sigrun_balancer table = {
            sizeof(sigrun_balancer),
            1,
            SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC,
            0,
            [](sigrun_instance* i, std::uint32_t) noexcept -> void* {
                try {
                    return new ring(sdk::self<balancer>(i).weights_);
                } catch (...) {
                    return nullptr;
                }
            },
            [](sigrun_instance*, void* tls) noexcept { delete static_cast<ring*>(tls); },
            nullptr,
            [](void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
               const std::uint64_t* pred_pages, sigrun_pick* out) noexcept -> std::uint32_t {
                std::uint32_t placed = 0;
                for (std::uint32_t i = 0; i < n; ++i) {
                    out[i] = {};
                    if (tls) static_cast<ring*>(tls)->pick(*view, req[i], pred_pages + req[i].pred_pages_off, out[i]);
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
