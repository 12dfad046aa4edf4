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

    void add(time_point since) { ++steps_[step_of(since)]; }
    /// As it was added.
    void remove(time_point since) noexcept {
        const auto at = steps_.find(step_of(since));
        if (at != steps_.end() && --at->second == 0) steps_.erase(at);
    }
    /// Late by less than a step.
    std::optional<time_point> oldest() const noexcept {
        if (steps_.empty()) return std::nullopt;
        return time_point((steps_.begin()->first + 1) * k_step);
    }
    /// Those that wait since a later time, to a step. Takes as long as the steps since then are many.
    std::uint64_t since_after(time_point then) const noexcept {
        std::uint64_t n = 0;
        for (auto at = steps_.rbegin(); at != steps_.rend() && at->first > step_of(then); ++at) n += at->second;
        return n;
    }

private:
    static std::int64_t step_of(time_point t) noexcept { return t.time_since_epoch() / k_step; }
    std::map<std::int64_t, std::uint32_t> steps_;
};

}  // namespace sigrun
