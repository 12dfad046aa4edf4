// Re-implementations of what others do, and the bound that nobody can reach. A re-implementation sends at once; jobs that
// meet no free place wait in a queue of the runner.
#pragma once

#include "bench/sim/policy.hpp"

#include <string_view>

namespace sigrun::sim {

std::unique_ptr<policy> make_model(std::string_view name, const regime& r, std::vector<machine>& fleet,
                                   std::uint64_t seed);

}  // namespace sigrun::sim
