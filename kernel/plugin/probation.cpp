#include "kernel/plugin/probation.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

std::string percent(double share) { return std::to_string(std::lround(share * 100)) + " %"; }

}  // namespace

std::string probation_judge::look(call_counts now, call_counts old) {
    const std::uint64_t failures = now.failures - last_.failures;
    const std::uint64_t calls = std::max(now.calls - last_.calls, failures);
    if (calls < k_group) return {};
    last_ = now;
    const double share = static_cast<double>(failures) / static_cast<double>(calls);
    if (old.calls >= before_.calls + k_group && old.failures > before_.failures)
        usual_ = std::max(usual_, static_cast<double>(old.failures - before_.failures) /
                                      static_cast<double>(old.calls - before_.calls));
    if (failures < k_failures || share < usual_ + k_margin) return {};
    return std::to_string(failures) + " of its last " + std::to_string(calls) + " calls failed (" + percent(share) +
           "; usual is " + percent(usual_) + ")";
}

}  // namespace sigrun
