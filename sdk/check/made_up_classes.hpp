// What a balancer that chooses among the others is told: classes of jobs, and the balancers it may choose.
#pragma once

#include <sigrun/balancer.h>

#include <cstdint>
#include <vector>

namespace sigrun::check {

const std::vector<sigrun_policy_name>& made_up_policies();

/// Class 0 and up to 40 others, other ones each round; half of what could be said is not.
std::vector<sigrun_class_stats> made_up_classes(std::uint32_t round);

}  // namespace sigrun::check
