// The daemon that `plugin dev` works with: one that runs already, or a private one with a state folder of its own, copies of
// the shipped plugins and one runner, so that jobs run.
#pragma once

#include "kernel/app/sigrun/child_program.hpp"
#include "kernel/app/sigrun/context.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::cli {

class dev_daemon {
public:
    /// Starts it. `shipped`: the plugin folder to copy. Throws failure.
    dev_daemon(context& ctx, std::string shipped, std::vector<std::string> settings);
    ~dev_daemon();
    dev_daemon(const dev_daemon&) = delete;
    dev_daemon& operator=(const dev_daemon&) = delete;

    const std::string& plugin_dir() const noexcept { return plugins_; }
    const std::string& url() const noexcept { return url_; }
    /// The names whose log lines are worth showing: the plugin's id, file and instances.
    void show_lines_of(std::vector<std::string> names);
    /// Both programs again, for what cannot be replaced while they run.
    void restart();
    void restart_runner();
    /// True if one of the programs has ended by itself; said once.
    bool died();

private:
    void start_daemon();
    void start_runner();
    void on_line(std::string_view program, std::string_view line);
    std::string program(const char* name) const;

    context& ctx_;
    std::string folder_, plugins_, url_;
    std::vector<std::string> settings_;
    std::mutex mutex_;
    std::vector<std::string> names_;
    std::string address_;                  // of the daemon, once it has said so
    std::vector<std::string> last_lines_;  // shown if it does not come up
    std::unique_ptr<child_program> daemon_, runner_;
};

}  // namespace sigrun::cli
