// Discrete events: jobs arrive, are placed or wait in the order of arrival, travel, run, report back.
#pragma once

#include "bench/sim/policy.hpp"

#include <array>

namespace sigrun::sim {

/// Placements on the runners that turned slow, and on all, per mean job time from the moment they did.
constexpr std::size_t k_slowed_bins = 400;

/// Plain data, so that a child process can hand it over as bytes.
struct figures {
    double p50_ms = 0, p99_ms = 0, p999_ms = 0, mean_ms = 0;
    double mean_wait_ms = 0;         // before a place began to work on it; round trips not counted
    std::uint64_t measured = 0;      // jobs after the warm-up
    std::uint64_t attempts = 0;      // after the warm-up
    std::uint64_t on_sinkholes = 0;  // of them
    std::uint64_t gave_up = 0;       // jobs that failed for good
    double failures_to_detect = 0;   // mean per sinkhole: failures before its first quiet second
    double simulated_s = 0, wall_s = 0;
    std::uint64_t digest = 0;  // of every decision and its time: equal runs have equal digests
    std::array<float, k_slowed_bins> slowed{}, all{};
};

struct run_options {
    std::uint64_t seed = 1;
    std::uint32_t jobs = 0;
};

/// As many as `measured` jobs after the warm-up.
std::uint32_t jobs_for(const regime& r, std::uint32_t measured);

figures simulate(const regime& r, const policy_kind& kind, const run_options& options);

}  // namespace sigrun::sim
