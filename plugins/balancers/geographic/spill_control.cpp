#include "spill_control.hpp"

#include <algorithm>

namespace sigrun::geographic {
namespace {

constexpr std::uint64_t k_second_ns = 1'000'000'000;
/// Beyond this the wait costs the job more than a zone too many could, so nothing is held back.
constexpr double k_long_wait_us = 1e6;

}  // namespace

void spill_control::move_on(std::uint64_t now_ns, const spill_limits& limits) noexcept {
    now_ns_ = now_ns;
    const double passed = std::min(static_cast<double>(now_ns - last_ns_) / static_cast<double>(k_second_ns), 1.0);
    last_ns_ = now_ns;
    // Jobs that find an idle place at home in between do not say that the others have no reason any more.
    const bool lately = wanted_ && now_ns - wanted_ns_ < k_second_ns;
    share_ = std::clamp(share_ + (lately ? passed : -passed) * limits.per_second, 0.0, 1.0);
}

void spill_control::count() noexcept { allowance_ = std::min(allowance_ + share_, 2.0); }

bool spill_control::may_go(double waiting, double elsewhere, const spill_limits& limits) noexcept {
    wanted_ = waiting > elsewhere * (wanted_ ? 1 : 1 + limits.margin);
    if (!wanted_) return false;
    wanted_ns_ = now_ns_;
    if (waiting - elsewhere > k_long_wait_us) return true;
    if (allowance_ < 1) return false;
    allowance_ -= 1;
    return true;
}

}  // namespace sigrun::geographic
