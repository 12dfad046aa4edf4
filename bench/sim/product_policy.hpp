// The kernel's own selector with a balancer plugin loaded through the ABI: claims, tiers and late binding are those of the
// daemon.
#pragma once

#include "bench/sim/policy.hpp"

namespace sigrun::sim {

/// Names of the balancer plugins that are built.
std::vector<std::string> built_balancers();

std::unique_ptr<policy> make_product_policy(const std::string& balancer, const regime& r,
                                            const std::vector<machine>& fleet, std::uint64_t seed);

}  // namespace sigrun::sim
