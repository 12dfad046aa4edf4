// sigrund: the daemon.
#include "kernel/app/describe/describe.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/base/service_manager.hpp"
#include "kernel/base/watchdog.hpp"
#include "kernel/capability/probe_host.hpp"
#include "kernel/log/log.hpp"
#include "kernel/log/log_format.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/trial.hpp"
#include "kernel/serve/daemon.hpp"
#include "kernel/serve/settings_table.hpp"
#include "kernel/serve/supervise.hpp"

#include <CLI/CLI.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iostream>

namespace {

std::string default_state_dir() {
    if (geteuid() == 0) return "/var/lib/sigrun";
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state) return std::string(state) + "/sigrun";
    if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.local/state/sigrun";
    return "sigrun-state";
}

// Beside the program in a build tree (bin/ and plugins/), or where packages install them.
std::string default_plugin_dir() {
    auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    for (const auto& candidate : {here / ".." / "plugins", here / ".." / "lib" / "sigrun" / "plugins"})
        if (std::filesystem::is_directory(candidate)) return std::filesystem::canonical(candidate).string();
    return (here / ".." / "plugins").string();
}

int fail(const std::string& what) {
    std::cerr << "sigrund: " << what << "\n";
    return 1;
}

std::string serving_text(const std::vector<std::string>& addresses) {
    std::string text = "listening on";
    for (const auto& a : addresses) text += " " + a;
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    if (int code = sigrun::run_as_plugin_host(argc, argv); code >= 0) return code;
    if (int code = sigrun::run_as_probe_host(argc, argv); code >= 0) return code;
    CLI::App app{
        "sigrund: runs jobs on registered runners. Without a configuration file it starts on its defaults.\n"
        "Stop it with SIGTERM or Ctrl-C; jobs that are stored survive. SIGHUP reads the configuration again."};
    std::string config_file, state_dir = default_state_dir(), plugin_dir = default_plugin_dir();
    std::vector<std::string> overrides;
    app.add_option("-c,--config", config_file, "INI file; FILE's folder may have plugins.d/*.ini beside it");
    app.add_option("--state-dir", state_dir, "where jobs, logs and identities are kept")->capture_default_str();
    app.add_option("--plugin-dir", plugin_dir, "where the plugins are")->capture_default_str();
    app.add_option("--set", overrides, "override one value: section.key=value (repeatable)");
    bool supervised = false;
    app.add_flag("--supervise", supervised, "start it again when it crashes, from a small parent process");
    app.set_version_flag("--version", "sigrund " SIGRUN_VERSION);
    if (sigrun::described(app, argc, argv)) return 0;
    CLI11_PARSE(app, argc, argv);

    if (supervised)
        if (int code = sigrun::supervise({"sigrund"}); code >= 0) return code;
    const auto manager = sigrun::service_manager::from_environment();
    auto began = std::chrono::steady_clock::now();
    sigset_t signals;
    sigemptyset(&signals);
    for (int s : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // a file at its limit is like a full disk: an error of one write

    sigrun::config_sources sources;
    sources.file = config_file;
    const auto config_path = std::filesystem::absolute(config_file.empty() ? "." : config_file);
    if (!config_file.empty()) sources.drop_in_dir = (config_path.parent_path() / "plugins.d").string();
    sources.overrides = overrides;
    auto config = sigrun::settings::load(sources);
    if (!config) return fail(config.error().text());
    auto bound = sigrun::bind_daemon_settings(*config);
    if (!bound) return fail(bound.error().text());
    sigrun::log_settings log;
    sigrun::parse_log_level(bound->at("log").text("level"), log.level);
    log.file = bound->at("log").text("file");
    sigrun::set_log_format(bound->at("log").text("format"));
    sigrun::start_logging(log);

    std::promise<std::string> failure;
    {
        const auto trust_dir = config_file.empty() ? std::string() : (config_path.parent_path() / "trust.d").string();
        sigrun::daemon_options options{*config,          state_dir, plugin_dir, SIGRUN_VERSION,
                                       "/proc/self/exe", trust_dir, sources};
        options.failed = [&failure](const std::string& why) {
            failure.set_value(why);
            ::kill(::getpid(), SIGTERM);
        };
        sigrun::daemon daemon(std::move(options));
        if (auto started = daemon.start(); !started) {
            daemon.stop();
            sigrun::stop_logging();
            return fail(started.error().text());
        }
        auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count();
        std::cout << "sigrund " SIGRUN_VERSION " ready in " << ms << " ms: " << daemon.plugins() << " plugins";
        if (daemon.restored_jobs()) std::cout << ", " << daemon.restored_jobs() << " jobs restored";
        std::cout << "\n";
        for (const auto& a : daemon.addresses()) std::cout << "listening on " << a << "\n";
        std::cout << std::flush;
        const std::string serving = serving_text(daemon.addresses());
        manager.ready(serving);
        {
            sigrun::watchdog alive(manager, daemon.threads(), [](const std::string& name) {
                SIGRUN_LOG(sigrun::logs::daemon, error, "the ", name, " thread does not answer");
            });
            for (int signal_number = SIGHUP; signal_number == SIGHUP;) {
                sigwait(&signals, &signal_number);
                if (signal_number != SIGHUP) continue;
                manager.reloading();
                daemon.reload_configuration("SIGHUP", [&manager, serving] { manager.ready(serving); });
            }
        }
        manager.stopping("writing what waits to be written");
        daemon.stop();
    }
    sigrun::stop_logging();
    // An error, so that whoever supervises the program starts it again.
    auto why = failure.get_future();
    return why.wait_for(std::chrono::seconds(0)) == std::future_status::ready ? fail(why.get()) : 0;
}
