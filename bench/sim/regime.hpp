// The situations in which policies are compared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::sim {

using nanos = std::int64_t;
constexpr nanos k_ms = 1'000'000;
constexpr nanos k_second = 1'000 * k_ms;
constexpr nanos k_mean_job = 10 * k_ms;  // at speed 1

enum class size_law : std::uint8_t { log_normal, exponential };

struct regime {
    std::string name, about;
    std::uint32_t runners = 1000;
    std::uint32_t places = 1;
    double load = 0.9;  // of the mean capacity of all runners that do not fail everything
    double cv = 2;
    size_law sizes = size_law::log_normal;
    bool mixed_speeds = true;         // 50 % 1, 30 % 0.5, 20 % 2; otherwise all 1
    bool slow_phases = true;          // quarter speed for 200 ms about every 2 s
    nanos rtt_low = 0, rtt_high = 0;  // per runner, log-uniform between these
    std::uint32_t zones = 1;          // round trip of zone z from the dispatcher: k_zone_rtt[z]
    double sinkholes = 0;             // share of runners that fail each job at once
    double failures = 0;              // share of jobs that fail elsewhere, after they ran
    double degraded = 0;              // share of runners that turn four times slower half-way, for good
    double burst_load = 0;            // while it lasts, about 50 ms every 500 ms, instead of `load`; 0 = no bursts
    std::uint32_t keys = 0;           // distinct affinity keys, Zipf; 0 = none
    std::uint32_t dispatchers = 1;    // threads of one daemon; a re-implementation is blind between them
    std::uint32_t controllers = 1;    // daemons that share the runners and do not tell each other anything
    std::uint32_t jobs = 200'000;     // measured in a default run
    bool in_suite = true;             // one of the 12; the others answer one question each
};

constexpr nanos k_zone_rtt[] = {200'000, 2 * k_ms, 8 * k_ms, 20 * k_ms};

const std::vector<regime>& all_regimes();
const regime* find_regime(std::string_view name);

/// Mean of a burst process with `load` outside and `burst_load` inside the bursts.
double mean_load(const regime& r);

}  // namespace sigrun::sim
