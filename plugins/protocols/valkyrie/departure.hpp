// How an instance goes, seen from all its connections.
//
//   drain    the daemon stops: idle connections end at once, busy ones may finish until the deadline
//   retire   a newer generation takes what is new: each peer is told to go there, nothing is ended that a call may still
//            come over, and what is left at the deadline is cut
//
// Lives on one loop and looks at the others through a counter; owned by the protocol, which outlives the loops' threads.
#pragma once

#include "core.hpp"
#include "loop.hpp"

#include <sigrun/cpp/dial_group.hpp>

#include <vector>

namespace sigrun::valkyrie {

class departure final : public io_handler {
public:
    enum class manner { drain, retire };

    /// `done` is completed exactly once: when no connection is left, at the deadline of a drain, or, if the host still
    /// holds links some time after the cut, with E_TIMEOUT.
    departure(core_ptr shared, sdk::dial_group& dials, std::vector<loop*> all, manner how, std::uint64_t deadline,
              sdk::op done);
    ~departure() override;

    /// [any] Once, after the flag in the core was set.
    void begin();

    void on_events(std::uint32_t) override {}
    void on_deadline(std::uint64_t now) override;
    void on_stop() override {}

private:
    void on_each_connection(void (*what)(class connection&));

    std::size_t left() const noexcept;

    core_ptr shared_;
    sdk::dial_group& dials_;
    std::vector<loop*> all_;
    loop& loop_;
    const manner how_;
    std::uint64_t deadline_;
    std::uint64_t pause_;
    bool cut_ = false;
    sdk::op done_;
};

}  // namespace sigrun::valkyrie
