// Whether a runner is set aside, since it refuses what it is offered or fails what it accepts, and when it may try again. Pure.
//
//   none --faults in the window--> out --pause over--> trial --one job done--> none
//                                   ^------one fault------|
//
// The pause doubles each time until the runner has been good for as long as the longest pause. A fault of one and the same job
// document is that document's as likely as the runner's: alone it sets nobody aside whom the job needs.
// Not thread safe: under the runner's mutex.
#pragma once

#include "kernel/base/clock.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace sigrun {

struct quarantine_rules {
    std::uint32_t refusals = 10, crashes = 5;  // within the window, none done in between; 0 = never
    nanoseconds window = std::chrono::minutes(5);
    nanoseconds pause = std::chrono::seconds(30);  // the first one
    nanoseconds longest = std::chrono::minutes(30);
};

enum class runner_fault : std::uint8_t {
    refusal,  // its readiness gate said no
    crash     // an attempt ended for a reason of the runner's own, or with it
};

class quarantine {
public:
    enum class phase : std::uint8_t { none, out, trial };
    /// Crashes that follow each other faster are one event: a machine that dies takes all its jobs along.
    static constexpr nanoseconds k_one_event = std::chrono::seconds(1);

    /// `document`: which job document, as a hash. `others`: another runner could take that job. True: from now on it is out.
    bool fault(runner_fault kind, std::uint64_t document, bool others, std::string_view why, time_point now,
               const quarantine_rules& rules);
    /// It has done what a job asked of it. True: the trial is passed.
    bool good(time_point now) noexcept;
    /// True once, when the pause is over: it is on trial.
    bool try_again(time_point now) noexcept;
    /// An operator's word; forgets all. True if it was out or on trial.
    bool lift() noexcept;

    phase state() const noexcept { return phase_; }
    bool spotless() const noexcept { return phase_ == phase::none && marks_.empty(); }
    const std::string& reason() const noexcept { return reason_; }  // of the last time
    time_point until() const noexcept { return until_; }            // of the pause
    nanoseconds lasts() const noexcept { return lasts_; }
    std::uint32_t times() const noexcept { return times_; }  // in a row

private:
    struct mark {
        runner_fault kind;
        std::uint64_t document;
        time_point at;
    };
    std::deque<mark> marks_;  // oldest first; at most both limits together
    phase phase_ = phase::none;
    std::string reason_;
    time_point until_{}, good_since_{};
    nanoseconds lasts_{0};
    std::uint32_t times_ = 0;
};

}  // namespace sigrun
