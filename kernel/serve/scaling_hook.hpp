// Tells a program of the demand for runners, so that it can start some or stop some: [autoscaling] of the configuration.
//
// Runs in a thread of its own, one program at a time. A run that fails is told (event, log, metrics) and tried again later and
// later; one that takes too long is killed with what it has started in its process group.
#pragma once

#include "kernel/runner/event_log.hpp"
#include "kernel/serve/demand_view.hpp"
#include "kernel/serve/settings_table.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sigrun {

struct scaling_hook_options {
    std::vector<std::string> command;  // empty: none
    nanoseconds interval = std::chrono::seconds(15), hold{0}, idle = std::chrono::minutes(5);
    nanoseconds timeout = std::chrono::seconds(30);
    bool always = false;  // also when nothing has changed since the last run that succeeded
    friend bool operator==(const scaling_hook_options&, const scaling_hook_options&) = default;
};
/// Refuses a command that cannot be run.
result<scaling_hook_options> read_scaling_hook(const daemon_settings& bound);

class scaling_hook {
public:
    struct parts {
        std::function<demand_answer(const demand_question&)> demand;
        event_log& events;
        metrics& numbers;
    };
    explicit scaling_hook(parts p);
    ~scaling_hook() { stop(); }
    scaling_hook(const scaling_hook&) = delete;
    scaling_hook& operator=(const scaling_hook&) = delete;

    /// What it can call the daemon by; before the first use.
    void set_url(std::string url) { url_ = std::move(url); }
    /// From the next run on, which is now if they are others than before. [any]
    void use(scaling_hook_options now);
    /// Nothing runs any more when it returns.
    void stop();

private:
    void work();
    /// How long until the next one.
    nanoseconds round(const scaling_hook_options& by);
    nanoseconds judge(const scaling_hook_options& by, const struct hook_end& end, std::string told);

    const parts parts_;
    std::string url_;
    counter done_, failed_, timed_out_;
    gauge failing_;
    histogram seconds_;

    std::mutex mutex_;
    std::condition_variable changed_;
    scaling_hook_options options_;
    bool fresh_ = false, stopping_ = false;
    int stop_fd_ = -1;
    std::thread thread_;

    // Of the thread.
    std::optional<std::string> told_;  // what the last run that succeeded was told of
    std::uint32_t failures_ = 0;       // in a row
};

}  // namespace sigrun
