// Measuring this machine from the command line.
#pragma once

#include "kernel/app/sigrun/context.hpp"
#include "kernel/capability/detector.hpp"

namespace sigrun::cli {

/// `only`, and what tiers are made of; nothing stays nothing: everything.
std::vector<std::string> with_tier_evidence(std::vector<std::string> only);

/// `known`, what the benchmark measures now, and the tiers that both together show; of that, what begins with one of `only`. On
/// a terminal it says meanwhile what is waited for.
capability_ptr measure(context& ctx, detector& detect, const capability_document& known,
                       const std::vector<std::string>& only);

}  // namespace sigrun::cli
