#include "kernel/capability/probe_health.hpp"

#include <algorithm>

namespace sigrun {

bool probe_health::crashed(time_point now, std::string_view how) {
    crashes_.push_back(now);
    while (now - crashes_.front() >= k_window) crashes_.pop_front();
    if (crashes_.size() < k_crashes) return false;
    disabled_ = "disabled until its plugin is loaded again, after " + std::to_string(crashes_.size()) +
                " crashes in 10 min, the last one: " + std::string(how);
    return true;
}

void probe_health::forgive() noexcept {
    crashes_.clear();
    disabled_.clear();
}

void probe_health::stuck(time_point now) noexcept {
    pause_ = pause_ == nanoseconds(0) ? k_first_pause : std::min(2 * pause_, k_longest_pause);
    next_look_ = now + pause_;
}

}  // namespace sigrun
