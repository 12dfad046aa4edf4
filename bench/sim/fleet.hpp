// What the runners of a regime really are. No policy sees it but the oracle; re-implementations are told the base speeds as
// weights.
#pragma once

#include "bench/sim/random_stream.hpp"
#include "bench/sim/regime.hpp"

#include <deque>
#include <vector>

namespace sigrun::sim {

/// One runner: a base speed, and slow phases that come whether it works or not. Asked with times that never go back.
class machine {
public:
    machine(const regime& r, std::uint64_t seed, std::uint32_t index, nanos half_way);

    double speed(nanos now);
    /// When `work` (nanoseconds at speed 1) that begins now will be done.
    nanos finish(nanos now, nanos work);

    double base_speed = 1;
    bool sinkhole = false, degrades = false;
    std::uint32_t zone = 0;
    nanos rtt = 0;

private:
    void look_ahead(nanos until);
    double speed_in(std::size_t phase, nanos at) const noexcept;

    random_stream moods_;
    bool slow_phases_;
    nanos degrades_at_;
    std::deque<nanos> ends_;  // of the phases from the current one on
    bool slow_ = false;       // the current one
};

std::vector<machine> build_fleet(const regime& r, std::uint64_t seed, nanos half_way);
/// Jobs of mean size per second that the whole fleet can do.
double capacity(const regime& r);

}  // namespace sigrun::sim
