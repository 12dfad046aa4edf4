// Keeps what is known of the way to the controller up to date: round trips and clocks every five minutes, bandwidth once a day while
// no job runs. [any]
#pragma once

#include "kernel/agent/controller_path.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

class path_watch : public std::enable_shared_from_this<path_watch> {
public:
    path_watch(boost::asio::io_context& io, const clock& clk) : io_(io), clock_(clk) {}

    /// Every now and then, with a session that stands: measures if it is time. `idle`: bandwidth may be measured, too. `measured`
    /// is called when something new is known.
    void look(const link_ptr& over, bool idle, std::function<void()> measured);
    /// Adds what is known; what an operator declares stays.
    void complete(std::vector<fact>& facts) const;

private:
    void take(const path_figures& found, bool transfers);

    boost::asio::io_context& io_;
    const clock& clock_;

    mutable std::mutex mutex_;  // the rest
    bool running_ = false;
    time_point next_{}, next_transfer_{};
    std::vector<fact> known_;
};

}  // namespace sigrun
