// Whether this machine is in a state to take a job, known before one is offered.
//
// The machine is looked at twice a second on a worker thread, so that an offer is judged without a read that could block: by what
// the last look saw. If no look ends for ten seconds, that is a reason by itself: a disk that hangs looks like this.
#pragma once

#include "kernel/agent/clock_watch.hpp"
#include "kernel/agent/machine_state.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

namespace sigrun {

class machine_watch : public std::enable_shared_from_this<machine_watch> {
public:
    using post_fn = std::function<void(std::function<void()>)>;
    /// `workspaces`: the folder that they are made in, which is there. `post` runs a task on a thread that may block.
    machine_watch(machine_needs needs, nanoseconds max_clock_skew, std::string workspaces, const clock& time,
                  post_fn post);

    /// By the clock, some times a second, on one thread: begins a look when it is time for one.
    void tick();
    /// [any] A beat of ours, sent and answered at these times of our wall clock, was seen at `controller_ns`.
    void heard(std::int64_t sent_ns, std::int64_t answered_ns, std::int64_t controller_ns);
    /// [any] Why no job is to be taken now; nothing: one may be. Makes no system call but for the time.
    std::optional<problem> trouble() const;

private:
    void look();
    std::optional<problem> clock_trouble() const;  // under the lock

    const machine_needs needs_;
    const nanoseconds max_skew_;
    const std::string workspaces_;
    const clock& time_;
    const post_fn post_;
    std::atomic<bool> looking_{false};
    time_point began_{};

    mutable std::mutex mutex_;  // the next group
    clock_watch clock_;
    std::optional<problem> missing_;
    time_point seen_at_;
};

}  // namespace sigrun
