// The controller put together: plugins, store, registry, selection, jobs, methods, listeners; started in an order in
// which nothing is missing, stopped in the reverse one.
#pragma once

#include "kernel/base/watchdog.hpp"
#include "kernel/config/settings.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct daemon_options {
    settings config;
    std::string state_dir;
    std::string plugin_dir;
    std::string version;
    std::string trial_program;  // see plugin_host_options
    std::string trust_dir;      // the same
    config_sources sources{};   // where `config` came from, to be read again
    /// The daemon cannot go on and has to be stopped. Once, on any thread; must not block, and not stop it itself.
    std::function<void(const std::string& why)> failed{};
};

class daemon {
public:
    explicit daemon(daemon_options options);
    ~daemon();
    /// Everything up to listening. A problem says what to do.
    result<void> start();
    /// The addresses listened on.
    std::vector<std::string> addresses() const;
    std::size_t plugins() const;
    std::size_t restored_jobs() const;
    /// Reads the configuration again; what comes of it is logged, and then `done` runs, on any thread. [any], between start and
    /// stop.
    void reload_configuration(const std::string& why, std::function<void()> done = {});
    /// Those that all work depends on, between start and stop.
    std::vector<watched_thread> threads();
    /// Stops accepting, tells callers, closes links, writes what waits to be written.
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
