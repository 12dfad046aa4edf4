// Since when jobs wait, counted in steps of half a second: how long the one has waited that has waited longest, and how
// many for longer than some time, without looking at any job. A step costs a node while some job waits since then.
#pragma once

#include "kernel/base/clock.hpp"

#include <cstdint>
#include <map>
#include <optional>

namespace sigrun {

class wait_ages {
public:
    static constexpr nanoseconds k_step = std::chrono::milliseconds(500);

    using step = std::int32_t;
    static step step_of(time_point t) noexcept { return static_cast<step>(t.time_since_epoch() / k_step); }

    void add(step since) { ++steps_[since]; }
    /// As it was added.
    void remove(step since) noexcept {
        const auto at = steps_.find(since);
        if (at != steps_.end() && --at->second == 0) steps_.erase(at);
    }
    /// Late by less than a step.
    std::optional<time_point> oldest() const noexcept {
        if (steps_.empty()) return std::nullopt;
        return time_point((steps_.begin()->first + std::int64_t{1}) * k_step);
    }
    /// Those that wait since a later time, to a step. Takes as long as the steps since then are many.
    std::uint64_t since_after(time_point then) const noexcept {
        std::uint64_t n = 0;
        const auto limit = then.time_since_epoch() / k_step;
        for (auto at = steps_.rbegin(); at != steps_.rend() && at->first > limit; ++at) n += at->second;
        return n;
    }

private:
    std::map<step, std::uint32_t> steps_;
};

}  // namespace sigrun
