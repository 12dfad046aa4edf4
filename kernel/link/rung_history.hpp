// How a rung has done over the last hours: one sample per interval, of a bounded number, and whether its round trips get
// longer or shorter. Guarded by its owner.
#pragma once

#include "kernel/base/clock.hpp"

#include <cstdint>
#include <vector>

namespace sigrun {

class rung_history {
public:
    static constexpr std::size_t k_most =
        240;  // samples; beyond it neighbours are merged, so that the whole time stays covered

    struct sample {
        std::int64_t at_s = 0;  // wall clock, seconds since 1970: its end
        float latency_us = 0;   // mean of its round trips; 0 = there was none
        float success = 0, bytes_per_s = 0;
    };

    void observe(nanoseconds round_trip) noexcept;
    /// True once per `interval`; then add() is due.
    bool due(time_point now, nanoseconds interval) noexcept;
    void add(std::int64_t wall_ns, double success, double bytes_per_s, nanoseconds retention);
    const std::vector<sample>& samples() const noexcept { return samples_; }

    enum class direction : std::uint8_t { none, rising, falling };
    struct trend {
        direction way = direction::none;
        double percent_per_hour = 0;  // median slope, of the median
    };
    /// Of latency: a Mann-Kendall test at the 1 % level over samples that are independent of each other; nothing below 10.
    trend latency_trend() const;

private:
    std::vector<sample> samples_;
    double sum_us_ = 0;
    std::uint32_t count_ = 0;
    std::uint32_t per_sample_ = 1;  // intervals, after merging
    std::uint32_t open_ = 0;        // intervals in the newest sample
    time_point closed_{};
};

}  // namespace sigrun
