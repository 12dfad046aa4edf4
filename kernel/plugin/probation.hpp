// Whether a generation that has just taken over does its work worse than the one before it did. Pure.
#pragma once

#include "kernel/plugin/call_counts.hpp"

#include <string>

namespace sigrun {

/// Calls are judged in groups of at least `k_group`, so that one that goes bad late is not hidden by the good ones before. A
/// group speaks against it if at least `k_failures` of its calls failed, and their share is higher by `k_margin` than it ever
/// was before: some callers ask for what must fail, and they did so yesterday, too. The old generation still has the links it
/// had: if as much fails there meanwhile, it is the peers that are in trouble, or the network.
class probation_judge {
public:
    static constexpr std::uint64_t k_group = 20, k_failures = 10;
    static constexpr double k_margin = 0.25;

    probation_judge(call_counts before, call_counts start) : before_(before), last_(start) {
        if (before.calls >= k_group) usual_ = static_cast<double>(before.failures) / static_cast<double>(before.calls);
    }
    /// What is wrong with it by now; empty = nothing. `old`: all calls of the generation before, those since the swap included.
    std::string look(call_counts now, call_counts old = {});

private:
    double usual_ = 0;
    call_counts before_, last_;
};

}  // namespace sigrun
