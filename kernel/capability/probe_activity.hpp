// Counts the tasks, timers and processes that hold a probe instance or are about to, so that an end can wait until they have
// let go of it.
#pragma once

#include "kernel/base/clock.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace sigrun {

class probe_activity {
public:
    /// One of them, from construction to destruction.
    class presence {
    public:
        explicit presence(std::shared_ptr<probe_activity> activity) : activity_(std::move(activity)) {
            activity_->enter();
        }
        presence(const presence&) = delete;
        presence& operator=(const presence&) = delete;
        ~presence() { activity_->leave(); }

    private:
        std::shared_ptr<probe_activity> activity_;
    };
    /// False: somebody is still there after `limit`.
    bool wait_idle(nanoseconds limit) {
        std::unique_lock lock(mutex_);
        return idle_.wait_for(lock, limit, [&] { return inside_ == 0; });
    }

private:
    void enter() {
        std::lock_guard lock(mutex_);
        ++inside_;
    }
    void leave() {
        std::lock_guard lock(mutex_);  // held while notifying: the waiter may be the last owner
        if (--inside_ == 0) idle_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable idle_;
    std::size_t inside_ = 0;
};

}  // namespace sigrun
