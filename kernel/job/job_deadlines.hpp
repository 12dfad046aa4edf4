// The times at which something becomes due for a job. Most jobs that wait have none, and there may be millions of them.
#pragma once

#include "kernel/base/clock.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

namespace sigrun {

enum class deadline : std::uint8_t {
    queue,       // timeouts.queue is over
    offer,       // of its runner's answer
    lease,       // its link is lost
    retry,       // it may run again
    run,         // timeouts.run is over
    hold,        // an attempt that nobody could end must have ended by itself
    settle,      // its end is stored again
    cancel,      // its runner has not confirmed that it was cancelled
    save,        // its record is stored again
    doubt,       // it has lasted unusually long
    backoff,     // of its retry; `retry` may be earlier
    proven,      // it has lasted longer than what fails does
    reoffer,     // its offer is unusually late
    patient,     // it would rather wait for another place
    start,       // timeouts.start is over
    total,       // timeouts.total is over
    not_before,  // start_at, delay
    hedge,       // a copy of it may begin
    signature,   // that of the job is good no more
};

/// `d[deadline::run] = t;` and `if (d[deadline::run] < t)`; time_point{} is none. Not for several threads.
class deadlines {
public:
    class entry {
    public:
        entry(deadlines& of, deadline which) noexcept : of_(of), which_(which) {}
        entry(const entry&) = default;
        entry& operator=(const entry&) = delete;
        time_point operator=(time_point t) {
            of_.set(which_, t);
            return t;
        }
        operator time_point() const noexcept { return of_.at(which_); }
        bool is_set() const noexcept { return of_.has(which_); }
        auto operator<=>(time_point t) const noexcept { return of_.at(which_) <=> t; }

    private:
        deadlines& of_;
        const deadline which_;
    };

    entry operator[](deadline which) noexcept { return {*this, which}; }
    time_point operator[](deadline which) const noexcept { return at(which); }
    time_point at(deadline which) const noexcept {
        return times_ ? (*times_)[static_cast<std::size_t>(which)] : time_point{};
    }
    bool has(deadline which) const noexcept { return at(which) != time_point{}; }
    void clear(std::initializer_list<deadline> these) noexcept {
        if (times_)
            for (const auto each : these) (*times_)[static_cast<std::size_t>(each)] = {};
    }
    /// The first of these; max() if none of them is set.
    time_point first_of(std::initializer_list<deadline> these) const noexcept {
        time_point first = time_point::max();
        for (const auto each : these)
            if (has(each)) first = std::min(first, at(each));
        return first;
    }

private:
    static constexpr std::size_t k_count = static_cast<std::size_t>(deadline::signature) + 1;

    void set(deadline which, time_point t) {
        if (!times_) {
            if (t == time_point{}) return;
            times_ = std::make_unique<std::array<time_point, k_count>>();
        }
        (*times_)[static_cast<std::size_t>(which)] = t;
    }

    std::unique_ptr<std::array<time_point, k_count>> times_;
};

}  // namespace sigrun
