#include "capacity_classes.hpp"
#include "lowest_load.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <algorithm>
#include <cstddef>
#include <new>

namespace sigrun::least_connections {
namespace {

/// 0 idle .. 65535 all places taken, for the explain record; a weight does not count here.
std::uint16_t score_of(const load& l, const sigrun_view& view, std::uint32_t slot) noexcept {
    const sigrun_cohort& c = view.cohort[sdk::load_once(view.page_cohort[slot >> 6])];
    const std::uint64_t places = std::max<std::uint64_t>(sdk::load_once(c.places), 1);
    return static_cast<std::uint16_t>(std::min<std::uint64_t>(l.jobs * 65'535 / places, 65'535));
}

void pick_one(capacity_classes& classes, const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
              sigrun_pick& out) noexcept {
    out = {};
    // An older host keeps no levels; picking nothing leaves the choice to it.
    const bool has_levels = view.struct_size >= offsetof(sigrun_view, level_any) + sizeof view.level_any;
    if (!has_levels || !view.level || view.page_shift != 6) return;
    try {
        classes.refresh(view);
    } catch (...) {
        return;
    }
    found best[4];
    const std::uint32_t n = lowest(view, req, pages, classes.all(), std::clamp<std::uint32_t>(req.want_k, 1, 4), best);
    for (std::uint32_t i = 0; i < n; ++i) out.slot[i] = best[i].slot;
    out.n = static_cast<std::uint8_t>(n);
    if (!n) return;
    out.reason = SIGRUN_WHY_LEAST_COUNT;
    out.score_q = score_of(best[0].value, view, best[0].slot);
}

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader&) {}

    const void* interface(std::string_view id) noexcept {
        static constexpr sigrun_balancer table = {
            sizeof(sigrun_balancer),
            1,
            SIGRUN_BALANCER_STATELESS | SIGRUN_BALANCER_DETERMINISTIC | SIGRUN_BALANCER_NEEDS_LEVELS,
            0,
            [](sigrun_instance*, std::uint32_t) noexcept -> void* { return new (std::nothrow) capacity_classes; },
            [](sigrun_instance*, void* tls) noexcept { delete static_cast<capacity_classes*>(tls); },
            nullptr,
            [](void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
               const std::uint64_t* pred_pages, sigrun_pick* out) noexcept -> std::uint32_t {
                std::uint32_t placed = 0;
                for (std::uint32_t i = 0; i < n; ++i) {
                    out[i] = {};
                    if (tls)
                        pick_one(*static_cast<capacity_classes*>(tls), *view, req[i],
                                 pred_pages + req[i].pred_pages_off, out[i]);
                    placed += out[i].n > 0;
                }
                return placed;
            },
            nullptr,
            nullptr,
            nullptr};
        return id == SIGRUN_KIND_BALANCER ? &table : nullptr;
    }
};

}  // namespace
}  // namespace sigrun::least_connections

SIGRUN_PLUGIN("sigrun.least_connections", "1.0.0", "Exactly the least loaded runner", 0,
              sigrun::sdk::component<sigrun::least_connections::balancer>(
                  "least_connections", SIGRUN_KIND_BALANCER,
                  "Takes a runner with the lowest ratio of jobs in flight to places and weight"))
