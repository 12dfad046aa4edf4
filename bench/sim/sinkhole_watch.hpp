// How many jobs a runner that fails everything gets before it is left alone for the first time.
#pragma once

#include "bench/sim/fleet.hpp"

namespace sigrun::sim {

class sinkhole_watch {
public:
    explicit sinkhole_watch(const std::vector<machine>& fleet) : seen_(fleet.size()) {
        for (std::size_t i = 0; i < fleet.size(); ++i) seen_[i].watched = fleet[i].sinkhole;
    }
    void placed(std::uint32_t runner, nanos now) noexcept {
        state& s = seen_[runner];
        if (!s.watched) return;
        if (s.failures && now - s.last_placed >= k_second) s.detected = true;
        s.last_placed = now;
    }
    void failed(std::uint32_t runner, nanos) noexcept {
        state& s = seen_[runner];
        if (s.watched && !s.detected) ++s.failures;
    }
    double mean_failures_to_detect() const noexcept {
        double sum = 0, n = 0;
        for (const state& s : seen_)
            if (s.watched) sum += s.failures, n += 1;
        return n > 0 ? sum / n : 0;
    }

private:
    struct state {
        bool watched = false, detected = false;
        std::uint32_t failures = 0;
        nanos last_placed = 0;
    };
    std::vector<state> seen_;
};

}  // namespace sigrun::sim
