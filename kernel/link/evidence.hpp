// What was measured of one rung: one protocol to one runner. Outlives the links it was measured on; of a fixed size.
//
// round_trip, answered, failed and moved are [any], without a lock or an allocation. fold and snapshot: by one thread at a
// time (under the member's lock).
#pragma once

#include "kernel/base/clock.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace sigrun {

/// Quantiles of times from 1 us to 16 s in steps of a quarter octave (9 % error at most, nearest neighbour). Old samples
/// fade: at 4096 all counts are halved. [any]
class latency_sketch {
public:
    void add(nanoseconds value) noexcept;
    /// 0 if there is no sample.
    [[nodiscard]] nanoseconds quantile(double q) const noexcept;

private:
    static constexpr std::size_t k_buckets = 97;
    static constexpr std::uint32_t k_full = 4096;
    std::array<std::atomic<std::uint16_t>, k_buckets> counts_{};
    std::atomic<std::uint32_t> total_{0};
};

/// EWMA with weight 0.1 that starts at its first sample, so that the first is not pulled towards 0. [any]; of samples that
/// come at the same instant one may be lost.
class smoothed_time {
public:
    void add(nanoseconds value) noexcept;
    [[nodiscard]] nanoseconds now() const noexcept { return nanoseconds(value_.load(std::memory_order_relaxed)); }

private:
    std::atomic<std::int64_t> value_{0};  // 0: no sample yet
};

class rung_evidence {
public:
    static constexpr std::chrono::seconds k_half_life{30};    // of outcomes
    static constexpr std::chrono::seconds k_rate_window{60};  // of which the best second counts

    /// A ping came back.
    void round_trip(nanoseconds rtt) noexcept;
    /// An offer was answered. Kept apart: it contains the runner's own gate, and a rung that carries no job has none.
    void answered(nanoseconds after) noexcept;
    /// The transport failed: a broken or silent link, an offer without an answer. Never a job's exit code.
    void failed() noexcept { new_failures_.fetch_add(1, std::memory_order_relaxed); }
    /// Bytes of payload or output.
    void moved(std::uint64_t bytes) noexcept { new_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    /// Takes what came since the last call into the decayed sums and rates; about once a second.
    void fold(time_point now, nanoseconds rate_window = k_rate_window) noexcept;

    struct numbers {
        nanoseconds latency{0}, latency_p99{0};     // round trips; 0: not measured
        nanoseconds answer{0}, answer_p99{0};       // offer to ACK
        double success = 0.9;                       // (s + 9) / (s + f + 10)
        double bytes_per_s = 0;                     // the best second of the last one to two minutes
        std::uint32_t samples = 0;                  // round trips and answers
        std::uint64_t successes = 0, failures = 0;  // since the daemon started
    };
    [[nodiscard]] numbers snapshot() const noexcept;

private:
    smoothed_time latency_, answer_;
    latency_sketch latencies_, answers_;
    std::atomic<std::uint32_t> samples_{0};
    std::atomic<std::uint64_t> new_successes_{0}, new_failures_{0}, new_bytes_{0};

    time_point folded_{};
    double successes_ = 0, failures_ = 0;  // decayed
    std::uint64_t all_successes_ = 0, all_failures_ = 0;
    time_point window_began_{};
    double best_rate_ = 0, best_rate_before_ = 0;
};

}  // namespace sigrun
