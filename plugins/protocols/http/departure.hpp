// How the plugin goes, seen from all its connections, sessions and links.
//
//   drain    the daemon stops: idle connections end now, the others after their answer; done when no connection is left
//   retire   a newer generation takes what is new: nothing is ended that a request may still come over; shortly before
//            the deadline what is left is ended in an orderly way, at the deadline it is cut; done when nothing is left
#pragma once

#include "dial/dialler.hpp"
#include "loop.hpp"
#include "serve/server.hpp"

#include <sigrun/cpp/host.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace sigrun::http {

class departure : public ticking, public std::enable_shared_from_this<departure> {
public:
    enum class manner { drain, retire };

    /// What goes; `departing` counts the departures among the members of the first loop.
    struct parts {
        server& serving;
        dialler& dialling;
        std::vector<std::unique_ptr<loop>>& loops;
        std::atomic<std::size_t>& departing;
    };
    /// `done` is completed exactly once.
    departure(const parts& of, manner how, time_point until, sdk::op done);
    /// [any] Once.
    void begin();

    void tick(time_point now) override;
    void shut() override;

private:
    std::size_t left() const;
    void cut();
    void leave();

    const parts of_;
    const manner how_;
    const time_point until_;
    const time_point last_call_;
    enum { open, called, cut_off } state_ = open;
    sdk::op done_;
};

}  // namespace sigrun::http
