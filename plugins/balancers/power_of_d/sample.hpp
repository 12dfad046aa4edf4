// A runner that was drawn, and what it is compared by. [hot]
#pragma once

#include <sigrun/cpp/expected_cost.hpp>
#include <sigrun/cpp/fleet_view.hpp>

namespace sigrun::power_of_d {

/// Compared as the fraction jobs / capacity.
struct sample {
    std::uint32_t slot;
    std::uint64_t jobs, capacity;
    bool better_than(const sample& o) const noexcept { return jobs * o.capacity < o.jobs * capacity; }
};

inline const sigrun_cohort& cohort_of(const sigrun_view& view, std::uint32_t slot) noexcept {
    return view.cohort[sdk::load_once(view.page_cohort[slot >> 6])];
}

/// Jobs in flight / (places * weight).
inline sample rate_by_load(const sigrun_view& view, std::uint32_t slot) noexcept {
    const sigrun_cohort& c = cohort_of(view, slot);
    const std::uint64_t capacity = std::uint64_t{sdk::load_once(c.places)} * sdk::load_once(c.weight);
    return {slot, SIGRUN_HOT_INFLIGHT(sdk::load_once(view.hot[slot])), capacity ? capacity : 1};
}
inline sample rate_by_cost(const sigrun_view& view, std::uint32_t slot) noexcept {
    return {slot, sdk::expected_cost(sdk::load_once(view.hot[slot])), 1};
}

/// 0 idle .. 65535 all places taken, for the explain record.
inline std::uint16_t share_of_places(const sigrun_view& view, std::uint32_t slot) noexcept {
    const std::uint32_t places = sdk::load_once(cohort_of(view, slot).places),
                        jobs = SIGRUN_HOT_INFLIGHT(sdk::load_once(view.hot[slot]));
    return jobs < places ? static_cast<std::uint16_t>(jobs * 65'535 / places) : std::uint16_t{65'535};
}

}  // namespace sigrun::power_of_d
