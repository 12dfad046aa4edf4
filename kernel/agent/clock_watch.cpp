#include "kernel/agent/clock_watch.hpp"

#include <cstdlib>

namespace sigrun {
namespace {

// Longer on its way, or answered before it was sent: the clock was set meanwhile, or the answer says too little.
constexpr std::int64_t k_longest_round_trip = 10'000'000'000;
// Without a controller that tells its time, a jump is not held against the machine for longer.
constexpr std::int64_t k_jump_matters = 10'000'000'000;

}  // namespace

void clock_watch::look(std::int64_t wall_ns, std::int64_t boot_ns) {
    if (wall_) {
        const auto step = (wall_ns - *wall_) - (boot_ns - *boot_);
        if (ahead_) *ahead_ += step;  // slewing comes to little between two comparisons, and is included
        if (limit_ && std::abs(step) > limit_) {
            jumped_ = step;
            jumped_at_ = boot_ns;
        }
    }
    wall_ = wall_ns;
    boot_ = boot_ns;
}

void clock_watch::heard(std::int64_t sent_ns, std::int64_t answered_ns, std::int64_t controller_ns) {
    const auto round_trip = answered_ns - sent_ns;
    if (round_trip < 0 || round_trip > k_longest_round_trip) return;
    uncertainty_ = round_trip / 2;
    ahead_ = sent_ns + uncertainty_ - controller_ns;
}

std::optional<nanoseconds> clock_watch::skew() const {
    if (!limit_ || !ahead_ || std::abs(*ahead_) - uncertainty_ <= limit_) return std::nullopt;
    return nanoseconds(*ahead_);
}

std::optional<nanoseconds> clock_watch::jump(std::int64_t boot_ns) const {
    if (!jumped_ || ahead_ || boot_ns - jumped_at_ > k_jump_matters) return std::nullopt;
    return nanoseconds(jumped_);
}

}  // namespace sigrun
