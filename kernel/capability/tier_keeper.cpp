#include "kernel/capability/tier_keeper.hpp"

#include <sigrun/cpp/text.hpp>

#include <utility>

namespace sigrun {
namespace {

constexpr unsigned k_runs_in_a_row = 2;

/// When the figure of `gate` was observed; without one (nothing limits ultra), when anything of the axis was.
std::int64_t observed(const tier_gate* gate, const axis_tier& now, const fact_lookup& find) {
    const fact* f = gate ? find(gate->key) : nullptr;
    return f ? f->observed_ns : now.observed_ns;
}

}  // namespace

void tier_keeper::hold(std::optional<held_tier>& axis, const axis_tier& now, const fact_lookup& find) {
    axis = held_tier{*now.tier, now.limit, nullptr, observed(now.limit, now, find), 0, 0, 0};
}

tier_report tier_keeper::settle(tier_report report, const fact_lookup& find) {
    for (std::size_t i = 0; i < report.size(); ++i) {
        auto& now = report[i];
        auto& axis = held_[i];
        if (!now.tier) {
            axis.reset();
            continue;
        }
        if (!axis || *now.tier == axis->tier || (*now.tier < axis->tier && now.limit && !now.limit->measured)) {
            hold(axis, now, find);
            continue;
        }
        auto& held = *axis;
        if (*now.tier < held.tier) {
            held.ups = 0;
            const auto seen = observed(now.limit, now, find);
            const bool anew = now.limit != held.doubt || seen != held.doubt_seen_ns;
            held.doubt = now.limit;
            held.doubt_seen_ns = seen;
            if (anew && ++held.downs >= k_runs_in_a_row) {
                hold(axis, now, find);
                continue;
            }
        } else {
            held.downs = 0;
            const auto seen = observed(held.limit, now, find);
            if (now.sure <= held.tier)
                held.ups = 0;
            else if (std::exchange(held.limit_seen_ns, seen) != seen && ++held.ups >= k_runs_in_a_row) {
                now.tier = now.sure;
                hold(axis, now, find);
                continue;
            }
        }
        now.detail = sdk::concat("its figures are ", to_string(*now.tier), " now; held until another run says so, too");
        now.tier = held.tier;
    }
    return report;
}

}  // namespace sigrun
