// Many runs, each in a process of its own: what one leaves behind in a plugin or a thread cannot reach the next, so a result
// does not depend on what else was asked for.
#pragma once

#include "bench/sim/simulation.hpp"

#include <functional>

namespace sigrun::sim {

struct cell {
    const regime* where = nullptr;
    const policy_kind* who = nullptr;
    run_options options{};
    figures found{};
};

/// Fills `found` of each, `workers` at a time; `progress` after each. Throws std::runtime_error if a run failed.
void run_cells(std::vector<cell>& cells, unsigned workers, const std::function<void(std::size_t done)>& progress);

}  // namespace sigrun::sim
