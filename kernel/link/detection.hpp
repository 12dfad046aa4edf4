// One look at an endpoint over every protocol that may be there.
#pragma once

#include "kernel/link/due_queue.hpp"
#include "kernel/link/fleet.hpp"

#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sigrun {

struct detection_lane {
    std::shared_ptr<instance> plugin;
    std::string name;  // of the protocol
    std::string uri;
    std::uint8_t protocol = 0;
    nanoseconds limit{0};
    bool fresh = false;  // nobody answered a moment ago: that is not believed
};

struct fleet::detection_round {
    // Set before it begins.
    std::string endpoint, profile, options;
    std::vector<detection_lane> lanes;  // best first
    protocol_mask up = 0;               // has a link, and is not looked at
    bool fresh = false, pinned = false, parallel = true;
    nanoseconds ends{0};
    time_point ends_at{};
    std::function<void()> done;

    std::mutex mutex;  // the rest
    std::size_t begun = 0, ended = 0;
    bool found = false;
    std::vector<std::uint8_t> absent, unknown;  // protocols: an answer says no; nobody was there or answered
    std::vector<std::string> changed;           // keys of what is not as it was known
};

/// Looks that run and wait. [any]
struct fleet::looks {
    looks(boost::asio::io_context& control, const clock& clk) : later(std::make_shared<due_queue>(control, clk)) {}

    const std::shared_ptr<due_queue> later;
    std::mutex mutex;  // the rest
    std::size_t running = 0;
    std::deque<std::pair<member_ptr, detection_round_ptr>> waiting;
};

}  // namespace sigrun
