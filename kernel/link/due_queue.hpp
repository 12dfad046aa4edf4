// What is to be done on the control thread in some milliseconds. One timer for all of it.
#pragma once

#include "kernel/base/clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace sigrun {

/// [any]
class due_queue : public std::enable_shared_from_this<due_queue> {
public:
    using task = std::function<void()>;

    due_queue(boost::asio::io_context& control, const clock& clk) : clock_(clk), control_(control), timer_(control) {}
    /// Not before `when`; never in this call.
    void at(time_point when, task what);
    /// Forgets what waits, and takes nothing more.
    void stop();

private:
    void arm();  // [ctl]
    void run();  // [ctl]

    const clock& clock_;
    boost::asio::io_context& control_;
    std::mutex mutex_;  // the next two
    std::multimap<time_point, task> waiting_;
    bool stopped_ = false;
    boost::asio::steady_timer timer_;  // of the control thread
};

}  // namespace sigrun
