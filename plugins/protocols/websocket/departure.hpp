// How an instance goes, seen from all its connections.
//
//   drain    the daemon stops: idle connections end at once, busy ones may finish until the deadline
//   retire   a newer generation takes what is new: each peer is told to go there, nothing is ended that a call may still
//            come over, and what is left at the deadline is cut
//
// Lives on the first loop and looks at the others through a counter.
#pragma once

#include "core.hpp"
#include "loop.hpp"

#include <sigrun/cpp/dial_group.hpp>

#include <memory>
#include <vector>

namespace sigrun::websocket {

class departure : public ticking, public std::enable_shared_from_this<departure> {
public:
    enum class manner { drain, retire };

    /// `done` is completed exactly once: when no connection is left, at the deadline of a drain, or, if the host still holds
    /// links some time after the cut, with E_TIMEOUT.
    departure(core_ptr shared, const std::vector<std::unique_ptr<loop>>& loops, sdk::dial_group* dials, manner how,
              time_point until, sdk::op done);
    /// [any] Once, after the flag in the core was set.
    void begin();

    void tick(time_point now) override;
    void shut() override;

private:
    void on_each(void (*what)(ticking&));
    void leave();

    const core_ptr shared_;
    const std::vector<std::unique_ptr<loop>>& loops_;
    sdk::dial_group* const dials_;  // null: nothing is dialled
    const manner how_;
    time_point until_;
    bool cut_ = false;
    sdk::op done_;
};

}  // namespace sigrun::websocket
