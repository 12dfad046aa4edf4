// When a probe's own process may be started: not after three crashes within ten minutes, and not while an earlier one cannot
// be ended.
#pragma once

#include "kernel/base/clock.hpp"

#include <deque>
#include <string>
#include <string_view>

namespace sigrun {

class probe_health {
public:
    static constexpr std::size_t k_crashes = 3;
    static constexpr nanoseconds k_window = std::chrono::minutes(10);
    static constexpr nanoseconds k_first_pause = std::chrono::minutes(1), k_longest_pause = std::chrono::minutes(60);

    /// True: it was one too many; `disabled` says why from now on.
    bool crashed(time_point now, std::string_view how);
    /// Empty: it is not.
    const std::string& disabled() const noexcept { return disabled_; }
    /// The plugin was replaced or its operator asks for it: the crashes so far do not count any more.
    void forgive() noexcept;

    /// It could not be ended, or still cannot: the next look at it comes after a pause, each twice as long as the last.
    void stuck(time_point now) noexcept;
    /// Time until that look; nothing or less: now.
    nanoseconds pause_left(time_point now) const noexcept { return next_look_ - now; }
    /// A run went well: the next pause is the first again.
    void worked() noexcept { pause_ = nanoseconds(0); }

private:
    std::deque<time_point> crashes_;
    std::string disabled_;
    nanoseconds pause_{0};
    time_point next_look_{};
};

}  // namespace sigrun
