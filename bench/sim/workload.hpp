// The jobs of one run, the same for every policy.
#pragma once

#include "bench/sim/regime.hpp"

#include <vector>

namespace sigrun::sim {

struct job {
    nanos arrival = 0;
    nanos work = 0;  // time it takes at speed 1
    std::uint64_t key = 0;
    std::uint16_t dispatcher = 0;  // thread or daemon that it comes to
};

std::vector<job> make_jobs(const regime& r, std::uint64_t seed, std::uint32_t count, double capacity);

/// Whether the nth attempt at a job fails, on a runner that is no sinkhole.
bool attempt_fails(const regime& r, std::uint64_t seed, std::uint32_t job, std::uint32_t attempt);

}  // namespace sigrun::sim
