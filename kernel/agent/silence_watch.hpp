// Tells when an attempt has had no output for too long (timeouts.silent).
//
// Output only leaves a time stamp; the timer looks at it when the limit would be over, so a job that writes much costs no
// timer per piece. While output cannot be taken the job may stand still for that, and the time does not count.
// [any]; one lock. The callback runs on an I/O thread without it, at most once.
#pragma once

#include "kernel/base/clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <mutex>

namespace sigrun {

class silence_watch : public std::enable_shared_from_this<silence_watch> {
public:
    /// `limit` above 0.
    silence_watch(boost::asio::io_context& io, nanoseconds limit, std::function<void()> on_silence)
        : timer_(io), limit_(limit), on_silence_(std::move(on_silence)) {}

    /// The job runs: from now on it is listened to. Again: nothing.
    void begin();
    /// There was output.
    void heard();
    /// Output is held back (true), or can be taken again.
    void hold(bool held);
    /// The attempt is over; lets go of the callback.
    void end();

private:
    void wait();  // under the lock
    void look();

    std::mutex mutex_;
    boost::asio::steady_timer timer_;
    const nanoseconds limit_;
    std::function<void()> on_silence_;
    time_point last_{};
    bool begun_ = false, held_ = false;
};

}  // namespace sigrun
