// What the trial of a plugin may take; see trial.hpp.
#pragma once

#include "kernel/base/clock.hpp"

namespace sigrun {

/// Two limits, because a plugin can be stuck in two ways and a busy machine must look like neither: a trial that hardly gets
/// the processor needs much longer than one that has it for itself, but no more of it.
struct trial_limits {
    nanoseconds cpu = std::chrono::seconds(5);  // processor time of all its threads: ends what spins
    nanoseconds wall = 4 * cpu;                 // ends what sleeps; below the 30 s that callers wait for an answer

    static trial_limits of(nanoseconds cpu) { return {cpu, 4 * cpu}; }
};

}  // namespace sigrun
