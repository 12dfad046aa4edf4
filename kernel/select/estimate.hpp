// What is known of how fast and how reliable runners are, from the jobs that ended there (selection.md 4.1).
//
// Times are compared in logarithms, relative to the mean of their requirement class: who drew the long jobs is not slow,
// and one job of a heavy tail weighs as much as one that was short by the same factor. All times in microseconds, all
// moments in nanoseconds of the selector's clock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sigrun {

enum class outcome_status : std::uint8_t { succeeded, failed_by_user, failed_by_infrastructure };

/// How a job that was placed ended.
struct job_end {
    outcome_status status = outcome_status::succeeded;
    double wait_us = 0;  // between the offer and the start, less the round trip: not caused by us
    double exec_us = 0;
    double rtt_us = 0;  // to the runner; 0 = not known
};

/// The jobs of one requirement. Readable while it is written; two writers at once may lose one observation.
class class_estimate {
public:
    void note(const job_end& end) noexcept;
    std::uint32_t samples() const noexcept { return n_.load(std::memory_order_relaxed); }
    /// Of successful jobs; 0 until there was one.
    double mean_exec_us() const noexcept { return mean_us_.load(std::memory_order_relaxed); }
    double mean_exec_log2() const noexcept { return mean_log2_.load(std::memory_order_relaxed); }
    /// Share of jobs that fail by their own fault wherever they run: no runner is blamed for it. 0.5 at first.
    double failing() const noexcept { return failing_.load(std::memory_order_relaxed); }
    /// Coefficient of variation of the execution time; 0 until there were two.
    double exec_cv() const noexcept;
    /// Execution time that a share of the jobs does not exceed, within 9 %; 0 without any.
    double exec_quantile_us(double share) const noexcept;

private:
    static constexpr std::size_t k_steps = 4;  // per doubling
    static constexpr std::size_t k_bins = 44 * k_steps;
    std::atomic<std::uint32_t> n_{0}, ended_{0};
    std::atomic<float> mean_us_{0}, mean_square_{0}, mean_log2_{0}, failing_{0.5f};
    std::array<std::atomic<std::uint32_t>, k_bins> bins_{};
};

/// The same for all runners of an index.
struct fleet_estimate {
    std::atomic<float> noise{1};    // variance of log2 exec of one job around what its runner is expected to take
    std::atomic<float> spread{0};   // variance of log2 exec between runners: 0 = all are alike
    std::atomic<float> rtt_us{0};   // mean over jobs
    std::atomic<float> success{1};  // mean share of jobs that did not fail
};

/// One runner. All zero is a runner of which nothing is known. Its lock is held for some ten instructions.
struct runner_estimate {
    std::atomic<std::uint32_t> lock;
    float exec_log2;            // log2 of its execution time relative to its classes
    float wait_us;              // in a queue of its own
    float rtt_us;               // 0 = not known
    float mean_us;              // execution time of the class it was last seen with; waits count against it
    float successes, failures;  // decayed
    float straggler_log2;       // a job that still runs says: at least this slow; 0 = none
    std::uint16_t samples;      // of exec_log2
    std::uint8_t failures_in_a_row, ejections;
    std::int64_t touched_ns, waited_ns;
    std::int64_t began_ns;      // of its slow start; 0 = none
    std::int64_t out_until_ns;  // 0 = not ejected

    void note(const job_end& end, const class_estimate& cls, fleet_estimate& all, std::int64_t now_ns) noexcept;
    /// Forgets: counts by their half-life, the speed of a runner that gets no jobs within minutes, so that it is tried
    /// again.
    void fade(std::int64_t now_ns) noexcept;
    /// Nothing is known that could be forgotten.
    bool blank() const noexcept { return !samples && !touched_ns && !began_ns && !ejections; }
    void clear() noexcept;
    /// The runner has moved here; `from` keeps its own until it is cleared.
    void take_over(const runner_estimate& from) noexcept;
    /// Smoothed share of jobs that do not fail; 1 at first.
    double success() const noexcept;
    /// Variance of exec_log2 that chance alone explains. There must be samples.
    double noise(const fleet_estimate& all) const noexcept;
    /// log2 of its relative execution time as far as it can be told from noise.
    double speed_log2(const fleet_estimate& all) const noexcept;
    /// 0.1 when it begins .. 1, over `window_ns`.
    double slow_start(std::int64_t now_ns, std::int64_t window_ns) const noexcept;
    /// For the hot word: 256 * (log2 R + 64). `weight` in 1/1024.
    std::uint32_t cost(const fleet_estimate& all, std::uint32_t weight, std::int64_t now_ns,
                       std::int64_t slow_start_ns) const noexcept;
};

/// Holds a runner's estimate.
class estimate_lock {
public:
    explicit estimate_lock(runner_estimate& e) noexcept;
    ~estimate_lock();
    estimate_lock(const estimate_lock&) = delete;
    estimate_lock& operator=(const estimate_lock&) = delete;

private:
    runner_estimate& estimate_;
};

}  // namespace sigrun
