// The way to a controller, measured over a session that stands: round trips, what goes through in each direction, and how far the
// two clocks are apart.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/link/link.hpp"

#include <boost/asio/io_context.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace sigrun {

struct path_figures {
    std::string over;                      // the protocol
    std::vector<nanoseconds> round_trips;  // of pings, ascending; empty: none was answered
    std::string no_round_trips;            // then: why
    /// The controller's wall clock less ours at the middle of the quickest call, which is exact to half of that call.
    std::optional<nanoseconds> clock_ahead;
    std::string no_clock;
    std::string seen_as;      // the address that our connection has for the controller; empty: it did not tell
    bool translated = false;  // and that is none of this machine's
    /// Bits per second; nothing: not asked for.
    std::optional<result<double>> up, down;
};

struct path_request {
    bool transfers = false;  // 256 KiB each way, too: not while jobs run
    nanoseconds limit = std::chrono::seconds(5);
};

/// Calls back once, on the io thread: with everything, or with what was found out within the limit. Lives until then.
void measure_path(boost::asio::io_context& io, const link_ptr& over, const path_request& what,
                  std::function<void(path_figures)> done);

/// net.controller_rtt_us (median), net.controller_rtt_p99_us, net.clock_skew_ms (positive: the controller's clock is ahead), net.nat
/// ("none", or "translated": the controller sees an address that is not this machine's), and, where they were measured,
/// net.controller_up_bps and net.controller_down_bps. What failed says why.
std::vector<fact> path_facts(const path_figures& found, std::int64_t now_ns);

}  // namespace sigrun
