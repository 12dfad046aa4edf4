// What the fleet has to move from one connection to another: a plugin was replaced, or a runner asked for it.
#pragma once

#include "kernel/link/fleet.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace sigrun {

/// [any], but for the timer, which belongs to the control thread.
struct fleet::moves {
    explicit moves(boost::asio::io_context& control) : timer(control) {}

    /// A link that was dialled here: another is dialled, then this one may go.
    struct move {
        member_ptr who;
        link_ptr from;
        time_point not_before{}, give_up{};
        std::uint32_t failures = 0;
        bool open = false;  // being dialled
    };

    void note_leaving(const member_ptr& m) {
        std::lock_guard lock(mutex);
        if (std::find(with_leaving.begin(), with_leaving.end(), m) == with_leaving.end()) with_leaving.push_back(m);
    }

    std::mutex mutex;  // everything below but the timer
    std::vector<move> waiting;
    std::vector<link_ptr> to_tell;         // runners that dialled in and are to dial again
    std::vector<member_ptr> with_leaving;  // that have links in leaving
    bool armed = false;                    // a pass is going to run
    bool again = false;                    // something came while one ran
    bool slow = false;                     // the next pass is not soon
    time_point quick_until{};
    boost::asio::steady_timer timer;
};

}  // namespace sigrun
