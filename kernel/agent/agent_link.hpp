// What the agent knows of one live link; the link carries it as its context.
#pragma once

#include "kernel/link/link.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace sigrun {

class uplink;

struct agent_link {
    std::weak_ptr<link> via;            // the link owns this, not the other way round
    std::weak_ptr<uplink> dialled;      // empty: the controller dialled us
    std::string controller;             // its id, where it told one
    std::atomic<bool> heard{false};     // since the last look
    std::atomic<bool> draining{false};  // the controller sends no more offers over it

    // Under the agent's lock.
    nanoseconds beat{0};
    time_point next_beat{};
    time_point last_heard{};
    time_point asked{};       // the oldest beat that was not answered; time_point{}: all were
    nanoseconds patience{0};  // for that answer, before another way is looked for
    bool doubted = false;
    std::uint64_t told = 0;  // revision of this agent's facts that the controller has, or will have from it; 0: none
};
using agent_link_ptr = std::shared_ptr<agent_link>;

}  // namespace sigrun
