// Whether a rung (one way to one peer) may be used: opens after failures in a row, lets one trial through, closes again.
// Pure; whoever owns it guards it.
//
//   closed --3 failures in a row, the last >= 5 s after the first--> open 30 s --one trial--> closed
//                                                                     ^ doubled, up to 5 min   | failed
//                                                                     +------------------------+
// A trial always ends: it worked, it failed, it was given up, or nobody said anything for 15 s, which counts as given up.
// "Not enabled here" is no failure: the rung is absent for an hour.
#pragma once

#include "kernel/base/clock.hpp"

#include <cstdint>
#include <string_view>

namespace sigrun {

class breaker {
public:
    enum class state : std::uint8_t { closed, open, trial, absent };
    static constexpr std::uint32_t k_failures = 3;
    static constexpr std::chrono::seconds k_span{5}, k_first_open{30}, k_longest_open{300}, k_trial_limit{15};
    static constexpr std::chrono::hours k_absent{1};

    /// A connection may be tried now. When it is open and its time has come, this begins the one trial.
    bool admit(time_point now) noexcept;
    /// A connection stands: ends a trial well. Failures in a row are forgotten only by worked(), so that a rung which
    /// connects and breaks again and again opens too.
    void connected() noexcept;
    /// It carried something there and back.
    void worked() noexcept;
    /// The transport failed, also as the outcome of a trial.
    void failed(time_point now) noexcept;
    /// A trial ended without an answer to its question; counts as nothing.
    void given_up(time_point now) noexcept;
    void not_here(time_point now) noexcept;
    /// An operator wants it looked at again.
    void reset() noexcept { *this = {}; }

    /// Without beginning anything.
    [[nodiscard]] state at(time_point now) const noexcept;
    [[nodiscard]] bool usable(time_point now) const noexcept { return at(now) == state::closed; }
    /// When the next trial may begin; time_point{} while it is closed.
    [[nodiscard]] time_point next_trial() const noexcept { return state_ == state::closed ? time_point{} : until_; }
    [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }

private:
    void open(time_point now, nanoseconds length) noexcept;

    state state_ = state::closed;
    std::uint32_t failures_ = 0;
    time_point first_failure_{};
    time_point until_{};  // open, absent: the next trial; trial: its limit
    nanoseconds length_{k_first_open};
};
std::string_view to_string(breaker::state s) noexcept;

}  // namespace sigrun
