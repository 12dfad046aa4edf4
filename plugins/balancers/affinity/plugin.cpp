#include "bounded_choice.hpp"

#include <sigrun/cpp/plugin.hpp>

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
        static constexpr sigrun_balancer table = {
            sizeof(sigrun_balancer),
            1,
            SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_USES_KEY | SIGRUN_BALANCER_DETERMINISTIC,
            0,
            [](sigrun_instance* i, std::uint32_t) noexcept -> void* {
                try {
                    return new bounded_choice(sdk::self<balancer>(i).bound_);
                } catch (...) {
                    return nullptr;
                }
            },
            [](sigrun_instance*, void* tls) noexcept { delete static_cast<bounded_choice*>(tls); },
            nullptr,
            [](void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
               const std::uint64_t* pred_pages, sigrun_pick* out) noexcept -> std::uint32_t {
                std::uint32_t placed = 0;
                for (std::uint32_t i = 0; i < n; ++i) {
                    out[i] = {};
                    if (tls)
                        static_cast<bounded_choice*>(tls)->pick(*view, req[i], pred_pages + req[i].pred_pages_off,
                                                                out[i]);
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
    const double bound_;
};

}  // namespace
}  // namespace sigrun::affinity

SIGRUN_PLUGIN("sigrun.affinity", "1.0.0", "The same runner for the same key", 0,
              sigrun::sdk::component<sigrun::affinity::balancer>(
                  "affinity", SIGRUN_KIND_BALANCER,
                  "Takes the runner that a job's key belongs to, unless it is loaded beyond its share",
                  sigrun::affinity::k_options))
