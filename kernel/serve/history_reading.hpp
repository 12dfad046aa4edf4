// What the daemon has counted up to a moment, and what two such readings say of the time between them. Pure.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/metrics/traffic.hpp"
#include "kernel/select/pick_timer.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct history_reading {
    /// Protocols that have series of their own, in the order of the traffic board.
    static constexpr std::size_t k_protocols = 8;
    struct protocol {
        std::uint64_t bytes_in = 0, bytes_out = 0, calls = 0;
        latency_snapshot answers;
    };
    time_point at{};
    job_totals jobs;
    pick_time_counts picks;
    std::uint64_t waiting = 0, under_way = 0;
    std::array<std::int64_t, 6> runners{};
    std::array<protocol, k_protocols> protocols;
};

/// Of every series, in the order of its values; `protocols`: the names known now.
std::vector<std::string> history_names(std::span<const std::string> protocols);
inline constexpr std::size_t k_history_own = 20, k_history_per_protocol = 6;
inline constexpr std::size_t k_history_series = k_history_own + history_reading::k_protocols * k_history_per_protocol;

/// Counts become rates per second, sizes (of queues, of the fleet) are those at the end, times are quantiles in seconds of what ended in
/// between; NaN where nothing did.
std::array<float, k_history_series> history_row(const history_reading& before, const history_reading& now);

}  // namespace sigrun
