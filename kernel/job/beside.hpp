// A second attempt of a job, beside the one that counts: a copy that may overtake it, or one that was overtaken and still ends
// on its runner. See hedge.cpp. Under the job's lock.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/job/job_log.hpp"

#include <cstdint>
#include <memory>

namespace sigrun {

struct beside_attempt {
    std::uint32_t number = 0;
    bool leaving = false;  // it was told to stop; its place is free once its runner says so, or leave_deadline is over
    bool rests = false;    // it has not stopped in time: at leave_deadline it must have ended by itself
    time_point offer_deadline{};  // of its runner's answer
    time_point lease_deadline{};  // its link is lost
    time_point leave_deadline{};
    std::shared_ptr<job_log> log;  // its output; null: there was none

    /// The first that comes; max() if there is none.
    time_point next() const noexcept {
        time_point first = time_point::max();
        for (const time_point t : {offer_deadline, lease_deadline, leave_deadline})
            if (t != time_point{} && t < first) first = t;
        return first;
    }
};

}  // namespace sigrun
