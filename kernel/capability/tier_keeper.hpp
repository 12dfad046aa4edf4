// Tiers of a machine over time: they do not follow every wobble of a measurement.
//
// State per axis: the tier that holds, the figure that keeps it from the next one and when that was last observed. Up: after two
// observations of that figure with which the next tier is reached, with ten percent to spare in what is measured. Down: at once
// when a limit changed (cores, memory, room on the disk), else after two measurements that agree. Not thread-safe.
#pragma once

#include "kernel/capability/tiers.hpp"

namespace sigrun {

class tier_keeper {
public:
    /// `report` with the tiers that hold now.
    tier_report settle(tier_report report, const fact_lookup& find);

private:
    struct held_tier {
        machine_tier tier = machine_tier::basic;
        const tier_gate* limit = nullptr;  // of `tier`
        const tier_gate* doubt = nullptr;  // the figure that speaks for a lower tier
        std::int64_t limit_seen_ns = 0, doubt_seen_ns = 0;
        unsigned ups = 0, downs = 0;
    };
    static void hold(std::optional<held_tier>& axis, const axis_tier& now, const fact_lookup& find);

    std::array<std::optional<held_tier>, k_tier_axes> held_;
};

}  // namespace sigrun
