// Where the main thread waits: for answers, for time, and for Ctrl-C. One per process, made before any other
// thread, because SIGINT and SIGTERM are blocked from then on and arrive here only. wake() is [any], the rest
// is for the main thread.
#pragma once

#include "kernel/base/clock.hpp"

#include <atomic>

namespace sigrun::cli {

class waiter {
public:
    enum class signals { taken, left };
    /// `left`: signals are somebody else's; such a waiter may be used by another thread. std::system_error if the kernel has no
    /// descriptor left.
    explicit waiter(signals which = signals::taken);
    ~waiter();
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    void wake() noexcept;
    /// [any] Every wait from now on ends at once, as interrupted.
    void interrupt() noexcept;
    enum class outcome { woken, interrupted, timed_out };
    outcome wait_until(time_point deadline);
    /// The signal of the last interruption.
    int signal() const noexcept { return signal_; }

private:
    int wake_fd_ = -1, signal_fd_ = -1;
    int signal_ = 0;
    std::atomic<bool> interrupted_{false};
};

}  // namespace sigrun::cli
