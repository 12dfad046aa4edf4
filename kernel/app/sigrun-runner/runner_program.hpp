// sigrun-runner put together: plugins, probes, agent, listener; started in an order in which nothing is missing, stopped
// in the reverse one.
#pragma once

#include "kernel/agent/agent_options.hpp"
#include "kernel/base/watchdog.hpp"
#include "kernel/config/settings.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct runner_program_options {
    settings config;
    agent_options agent;
    std::string plugin_dir;
    std::function<void(const std::string&)> announce;  // one line when connected or listening
    std::string signature = "off", trust_dir;          // see plugin_host_options
    std::shared_ptr<const bound_section> tls;          // [tls], bound to the table of a server
};

/// One thread starts, drains and stops it.
class runner_program {
public:
    explicit runner_program(runner_program_options options);
    ~runner_program();
    /// A problem says what to do.
    result<void> start();
    /// `done` runs once, on any thread, when nothing runs any more.
    void drain(std::string reason, std::function<void()> done);
    void abort();
    /// Leaves the jobs to the next start: to be followed by the end of the process, without stop().
    void hand_over();
    /// Whether a signal to stop is to do that.
    bool keeps_jobs() const noexcept;
    /// Replaces the plugins whose files hold something else now, while jobs run; what happened is logged.
    /// `done` runs then, on any thread.
    void reload_plugins(std::function<void()> done = {});
    /// Those that all work depends on, between start and stop.
    std::vector<watched_thread> threads();
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
