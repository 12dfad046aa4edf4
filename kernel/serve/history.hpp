// What the daemon did of late, for charts: one point each step (10 s) of the last 360 steps, and one each minute of the last 24 hours.
// Takes all its memory (about half a megabyte) when it is made. Sampling reads counters and looks at no job and no runner.
#pragma once

#include "kernel/base/timer_wheel.hpp"
#include "kernel/metrics/series_ring.hpp"
#include "kernel/serve/history_reading.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class history final : public timer_node, public std::enable_shared_from_this<history> {
public:
    static constexpr std::size_t k_steps = 360, k_minutes = 1440;

    struct sources {
        std::function<history_reading()> read;
        std::function<std::vector<std::string>()> protocols;  // names, in the order of the reading's
        std::function<std::int64_t()> wall_ns;
    };
    /// step: 1 s to 1 minute. Begins with start().
    history(timer_wheel& timers, sources from, nanoseconds step);
    ~history() override;
    void start();
    void stop();

    /// `{"start","start_ms","step_s","points","memory_bytes","series":{name:[value|null, ..]}}`: the newest points of this window, of those
    /// series whose names begin with one of `names` (none: of all). Point i is of the step that ends at start + i * step_s. [any]
    std::string document(nanoseconds window, const std::vector<std::string>& names) const;
    /// What it holds for good.
    std::size_t bytes() const noexcept { return steps_.bytes() + minutes_.bytes() + sizeof(history); }

private:
    std::shared_ptr<void> pin() noexcept override { return weak_from_this().lock(); }
    void on_timer() override;

    timer_wheel& timers_;
    const sources from_;
    const nanoseconds step_;

    mutable std::mutex mutex_;
    bool running_ = false;
    series_ring steps_{k_history_series, k_steps}, minutes_{k_history_series, k_minutes};
    history_reading step_began_, minute_began_;
    time_point next_{};
    std::int64_t step_ended_ns_ = 0, minute_ended_ns_ = 0;  // wall clock, of the newest point
};

}  // namespace sigrun
