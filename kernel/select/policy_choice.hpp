// Which policy picks for the jobs of a requirement, where a balancer chooses among the others (selection.md 4.5), and what
// became of the jobs that were placed by it.
#pragma once

#include <sigrun/balancer.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace sigrun {

/// Numbers of widely different size, counted by their logarithm. [any]
class log_histogram {
public:
    void note(double value) noexcept;
    /// The value that a share of them does not exceed, within 2 % where there are many; NaN without any.
    double quantile(double share) const noexcept;
    void clear() noexcept;

private:
    static constexpr int k_steps = 8;  // per doubling
    static constexpr int k_low = -4, k_high = 44;
    std::array<std::atomic<std::uint32_t>, (k_high - k_low) * k_steps> bins_{};
};

/// Times from submit to end, relative to the mean execution time of the class.
struct policy_figures {
    std::uint64_t jobs = 0;
    double mean = 0, deviation = 0, p99 = 0;
};

/// The jobs that one policy placed and that ended in the window.
class policy_window {
public:
    std::uint32_t policy() const noexcept { return policy_.load(std::memory_order_relaxed); }
    /// [any] Of a job that it placed.
    void note(double relative) noexcept;
    /// [tick] What it has seen since the last call.
    policy_figures take() noexcept;
    /// [tick] From here on for this policy.
    void begin(std::uint32_t policy) noexcept;

private:
    std::atomic<std::uint32_t> policy_{0};
    std::atomic<std::uint64_t> jobs_{0};
    std::atomic<double> sum_{0}, squares_{0};
    log_histogram times_;
};

/// How many of the jobs have an affinity key that came lately. Remembers some two thousand keys; among more it finds fewer
/// again than there are. [any] but for take_reuse.
class key_memory {
public:
    /// 0: the job has none.
    void note(std::uint64_t key) noexcept;
    /// [tick] The share of the jobs since the last call whose key came before; NaN without any job. Keys are not forgotten.
    double take_reuse() noexcept;

private:
    static constexpr std::size_t k_slots = 2048;
    std::array<std::atomic<std::uint16_t>, k_slots> tags_{};  // 0: none yet
    std::atomic<std::uint64_t> jobs_{0}, again_{0};
};

/// What was chosen, in one word. `policy` 0 = nothing yet.
struct policy_choice {
    std::uint16_t policy = 0, other = 0;
    std::uint32_t explore_ppm = 0;

    static policy_choice of(std::uint64_t word) noexcept {
        return {static_cast<std::uint16_t>(word), static_cast<std::uint16_t>(word >> 16),
                static_cast<std::uint32_t>(word >> 32)};
    }
    std::uint64_t word() const noexcept {
        return policy | std::uint64_t{other} << 16 | std::uint64_t{explore_ppm} << 32;
    }
};

/// By priority.
using policy_choices = std::array<std::atomic<std::uint64_t>, SIGRUN_PRIORITIES>;
constexpr std::size_t k_normal_priority = 2;

/// What a requirement has once jobs of it have ended.
struct class_policies {
    policy_choices choice{};
    policy_window picking, tried;  // of normal priority
    log_histogram waits;           // from submit to start, in microseconds
    key_memory keys;

    // What follows: under the selector's mutex.
    policy_figures picking_last, tried_last, before_last;  // of the last window; of `before` in its last one
    std::uint16_t picking_id = 0, tried_id = 0, before_id = 0;
    double wait_p99_us = 0, key_reuse = 0;
    std::uint8_t why = 0;
    std::int64_t since_ns = 0, active_ns = 0;
    std::uint32_t seen = 0;  // jobs, at the last tick

    /// [any]
    void note(std::uint16_t policy, double relative, double wait_us) noexcept;
    /// What the last window says of a policy; no jobs: nothing.
    policy_figures last_of(std::uint16_t policy) const noexcept;
};

}  // namespace sigrun
