// How quiet the machine is: what else runs on it, and what its hypervisor takes away. No figure is worth anything without.
#pragma once

#include "time_box.hpp"

#include <sigrun/cpp/procfs.hpp>

namespace sigrun::benchmark {

/// Above this a figure is a lower bound of what the machine can do, and says so.
constexpr double k_noisy = 0.10;

/// Warms the processor up, then does the same work ten times. The larger of two shares: how much the times vary, and how much of
/// the time the thread waited for a processor. Nothing if the box closed too early to tell.
std::optional<double> measure_noise(time_box& box);

/// The first line of /proc/stat.
struct processor_time {
    std::uint64_t all = 0, stolen = 0;
};
std::optional<processor_time> parse_processor_time(std::string_view proc_stat);
/// The part of the time from `before` to `after` that the hypervisor gave to others.
std::optional<double> stolen_share(const std::optional<processor_time>& before,
                                   const std::optional<processor_time>& after);

}  // namespace sigrun::benchmark
