// What every command gets: the global options, the terminal, and a daemon that is connected on first use.
#pragma once

#include "kernel/app/sigrun/client.hpp"
#include "kernel/app/sigrun/endpoint.hpp"
#include "kernel/app/sigrun/exit_codes.hpp"
#include "kernel/app/sigrun/failure.hpp"
#include "kernel/app/sigrun/terminal.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sigrun::cli {

struct global_options {
    std::string url, plugin_dir;
    std::string ca, certificate, key, token;
    std::string output = "table";
    std::string timeout = "30s";
    bool no_color = false;
};

class context {
public:
    global_options options;
    surroundings around = surroundings::real();
    /// What the parsed command line asked for; returns the exit code. Set by the command's parse callback.
    std::function<int()> action;
    /// Words after "--": the command of run, submit and bench.
    std::vector<std::string> command_words;

    bool json() const noexcept { return options.output == "json"; }
    const terminal& out();
    const terminal& err();
    waiter& waits();
    /// Where the daemon is, and how to speak to it; throws failure.
    client::target target() const;
    /// Connected; throws failure.
    client& daemon();
    bool connected() const { return client_ && client_->connected(); }
    /// One call that may be made twice: when the way to a daemon that was reached is lost, it is made again over a new one, for
    /// daemon_timeout(). Throws failure.
    json::object insist(std::string_view method, const json::object& params, std::string_view document = {});
    /// --token, SIGRUN_TOKEN or the file SIGRUN_TOKEN_FILE names; empty = none. Throws failure.
    std::string token() const;
    /// --timeout; throws failure if it is no duration.
    nanoseconds daemon_timeout() const;
    /// Lets go of the connection and its plugins.
    void hang_up() { client_.reset(); }
    std::string plugins() const { return plugin_dir(options.plugin_dir, around); }
    /// Writes to stdout; a reader that went away ends the program as SIGPIPE would.
    static void print(std::string_view text);
    /// A line of its own on stderr, beginning with "sigrun: ".
    void note(std::string_view text);
    void complain(const failure& f);

private:
    std::optional<terminal> out_, err_;
    std::unique_ptr<waiter> waits_;
    std::unique_ptr<client> client_;
    bool reached_ = false;
};

/// The exit status of a program whose reader went away: 128 + SIGPIPE.
inline constexpr int k_reader_gone = 141;
/// Thrown by context::print.
struct reader_gone {};

// One per command group, each in a file of its own.
void add_run_commands(CLI::App& app, context& ctx);
void add_job_commands(CLI::App& app, context& ctx);
void add_job_signature_commands(CLI::App& group, context& ctx);  // of the group "job"
void add_runner_commands(CLI::App& app, context& ctx);
void add_plugin_commands(CLI::App& app, context& ctx);
void add_signature_commands(CLI::App& plugin, context& ctx);  // of the group "plugin"
void add_plugin_new_command(CLI::App& group, context& ctx);
void add_plugin_dev_command(CLI::App& group, context& ctx);
void add_balancer_commands(CLI::App& app, context& ctx);
void add_probe_command(CLI::App& app, context& ctx);
void add_events_command(CLI::App& app, context& ctx);
void add_demand_command(CLI::App& app, context& ctx);
void add_bench_command(CLI::App& app, context& ctx);
void add_chaos_command(CLI::App& app, context& ctx);
void add_backup_command(CLI::App& app, context& ctx);
void add_config_commands(CLI::App& app, context& ctx);
/// Those of `config` that ask the daemon; `group` is the command `config`.
void add_live_config_commands(CLI::App& group, context& ctx);
void add_token_commands(CLI::App& app, context& ctx);
void add_top_command(CLI::App& app, context& ctx);
void add_version_command(CLI::App& app, context& ctx);

}  // namespace sigrun::cli
