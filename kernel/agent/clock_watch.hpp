// Whether this machine's clock can be believed: measured against the controller's with each answered beat, and against the time
// since boot in between. Pure; one thread.
#pragma once

#include "kernel/base/clock.hpp"

#include <cstdint>
#include <optional>

namespace sigrun {

class clock_watch {
public:
    /// `limit` 0: nothing is ever wrong.
    explicit clock_watch(nanoseconds limit) : limit_(limit.count()) {}

    /// The two clocks now, in nanoseconds. A step of the first one is noticed by the next look, of the second there is none.
    void look(std::int64_t wall_ns, std::int64_t boot_ns);
    /// A beat was sent and answered at these times of our clock; in between the controller's said `controller_ns`.
    void heard(std::int64_t sent_ns, std::int64_t answered_ns, std::int64_t controller_ns);

    /// By how much our clock is certainly ahead of the controller's, or behind, if that is over the limit.
    std::optional<nanoseconds> skew() const;
    /// By how much our clock jumped, if nobody could be asked since.
    std::optional<nanoseconds> jump(std::int64_t boot_ns) const;

private:
    std::int64_t limit_;
    std::optional<std::int64_t> wall_, boot_;  // of the last look
    std::optional<std::int64_t> ahead_;        // of the controller
    std::int64_t uncertainty_ = 0;
    std::int64_t jumped_ = 0, jumped_at_ = 0;
};

}  // namespace sigrun
