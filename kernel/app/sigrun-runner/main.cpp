// sigrun-runner: the runner agent.
#include "kernel/app/describe/describe.hpp"
#include "kernel/base/service_manager.hpp"
#include "kernel/base/watchdog.hpp"
#include "kernel/capability/probe_host.hpp"
#include "kernel/log/log.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/net_options.hpp"
#include "kernel/net/tls_context.hpp"
#include "kernel/plugin/plugin_guard.hpp"
#include "kernel/plugin/trial.hpp"
#include "kernel/serve/supervise.hpp"
#include "runner_program.hpp"

#include <CLI/CLI.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>

namespace {

using sigrun::result;

// Beside the program in a build tree (bin/ and plugins/), or where packages install them.
std::string default_plugin_dir() {
    std::error_code ec;
    auto here = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path();
    for (const auto& candidate : {here / ".." / "plugins", here / ".." / "lib" / "sigrun" / "plugins"})
        if (std::filesystem::is_directory(candidate)) return std::filesystem::canonical(candidate).string();
    return (here / ".." / "plugins").string();
}

struct command_line {
    std::string config_file;
    std::vector<std::string> overrides;  // section.key=value, in the order of their weight
};

// Each flag is another way to write a key, of [runner] if it names no section.
struct flag {
    const char* name;
    const char* key;
    const char* doc;
    bool repeatable;
};
constexpr flag k_flags[] = {
    {"--url", "url", "controller to dial, e.g. valkyrie://host:7070 (repeatable)", true},
    {"--listen", "listen", "address to wait at for the controller, e.g. 0.0.0.0:7071 (repeatable)", true},
    {"--name", "name", "name in the fleet; by default the host name", false},
    {"--slots", "slots", "jobs at once; by default the effective cores", false},
    {"--label", "labels", "NAME=VALUE that requirements see as label.NAME (repeatable)", true},
    {"--state-dir", "state_dir", "where the runner keeps its key and workspaces", false},
    {"--plugin-dir", "plugin_dir", "where the plugins are", false},
    {"--protocol", "protocols", "use only this protocol (repeatable, best first)", true},
    {"--join", "join", "join token, needed once (SIGRUN_RUNNER__JOIN and --join-file hide it from `ps`)", false},
    {"--join-file", "join_file", "file with the join token", false},
    {"--ca", "tls.ca", "PEM file of the authorities that controllers are believed by", false},
    {"--cert", "tls.certificate", "PEM file of this runner's certificate", false},
    {"--key", "tls.key", "PEM file of its key", false},
    {"--log-level", "log_level", "error, warning, info, debug or trace", false},
};

// A repeated flag as one list. Only a label's value may hold a comma, which a list writes as "\\,".
std::string joined(const std::vector<std::string>& items, bool labels) {
    std::string all;
    for (const auto& item : items) {
        if (!all.empty()) all += ',';
        for (char c : item) {
            if (labels && c == ',') all += '\\';
            all += c;
        }
    }
    return all;
}

result<void> check_sections(const sigrun::settings& config) {
    for (const auto& s : config.sections())
        if (s.name != "runner" && s.name != "plugins" && s.name != "tls" && s.name != "net" && s.name != "security" &&
            !s.name.starts_with("plugin ") && !s.name.starts_with("instance "))
            return sigrun::problem{sigrun::errc::unknown_field, "unknown section", s.origin,
                                   "[runner], [tls], [net], [security], [plugins], [plugin NAME] or [instance NAME]",
                                   "[" + s.name + "]"};
    return {};
}

// What the tables cannot judge of a runner that waits for its controller.
result<void> check_listening(const sigrun::agent_options& agent, const sigrun::bound_section& tls) {
    SIGRUN_TRY(files, sigrun::read_tls_server(tls));
    const bool asks = files.client_auth != sigrun::tls_server_options::none;
    if (tls.boolean("required") && !files.enabled())
        return sigrun::bad_value("tls.certificate", "a PEM file, as tls.required is on", "nothing");
    if (asks && files.client_ca.empty())
        return sigrun::bad_value("tls.client_ca", "a PEM file of authorities, as tls.client_auth asks for certificates",
                                 "nothing");
    if (!agent.controllers.empty() && !asks)
        return sigrun::bad_value("runner.controllers", "tls.client_auth optional or required beside it", "none");
    if (!agent.listen.empty() && files.enabled())
        if (auto made = sigrun::make_server_context(files, {}); !made) return made.error();
    return {};
}

result<std::unique_ptr<sigrun::runner_program>> build(const command_line& line,
                                                      std::function<void(const std::string&)> announce) {
    sigrun::config_sources sources;
    sources.file = line.config_file;
    const auto beside = std::filesystem::absolute(line.config_file.empty() ? "." : line.config_file).parent_path();
    if (!line.config_file.empty()) sources.drop_in_dir = (beside / "plugins.d").string();
    sources.overrides = line.overrides;
    SIGRUN_TRY(config, sigrun::settings::load(sources));
    SIGRUN_CHECK_OK(check_sections(config));
    SIGRUN_TRY(section, sigrun::bound_section::bind(config.find("runner"), sigrun::agent_option_table()));
    SIGRUN_TRY(agent, sigrun::read_agent_options(*section));
    SIGRUN_TRY(security, sigrun::bound_section::bind(config.find("security"), sigrun::k_job_trust_table));
    SIGRUN_TRY(signatures, sigrun::read_job_trust(*security, line.config_file.empty() ? "" : beside.string()));
    agent.signatures = signatures;
    // Probes describe the folder that jobs work in; they find it where the setting could have come from. No thread runs yet.
    setenv("SIGRUN_RUNNER__WORKSPACE_DIR", std::filesystem::absolute(agent.workspace_dir).c_str(), 1);
    SIGRUN_TRY(tls, sigrun::bound_section::bind(config.find("tls"), sigrun::tls_server_option_table()));
    SIGRUN_CHECK_OK(check_listening(agent, *tls));
    SIGRUN_CHECK_OK(sigrun::read_net_policy(config));
    SIGRUN_TRY(policy, sigrun::bound_section::bind(config.find("plugins"), std::span(&sigrun::k_signature_option, 1)));
    sigrun::log_settings log;
    sigrun::parse_log_level(section->text("log_level"), log.level);
    if (section->has("log_file")) log.file = section->text("log_file");
    sigrun::start_logging(log);
    auto plugin_dir = section->has("plugin_dir") ? section->text("plugin_dir") : default_plugin_dir();
    return std::make_unique<sigrun::runner_program>(
        sigrun::runner_program_options{config, agent, plugin_dir, std::move(announce), policy->text("signature"),
                                       sources.file.empty() ? std::string() : (beside / "trust.d").string(), tls});
}

// The process ends as if it was killed: what its successor needs is on the disk at any time, so there is nothing to do first.
[[noreturn]] void hand_over(sigrun::runner_program& program, int code) {
    program.hand_over();
    sigrun::stop_logging();
    _exit(code);
}

// SIGHUP: look for changed plugins. SIGUSR2: hand over. Others, the first: drain, or hand over where that is set; the second:
// end now. Returns when nothing runs any more.
void run_until_told(sigrun::runner_program& program, const sigset_t& signals, bool keep,
                    const sigrun::service_manager& manager) {
    const int told = signalfd(-1, &signals, SFD_CLOEXEC);
    // Never closed: whoever tells it may still be in that call.
    static const int drained = eventfd(0, EFD_CLOEXEC);
    for (int count = 0;;) {
        pollfd watched[2] = {{told, POLLIN, 0}, {drained, POLLIN, 0}};
        if (poll(watched, 2, -1) < 0) continue;
        if (watched[1].revents) break;
        signalfd_siginfo info{};
        if (read(told, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
        if (info.ssi_signo != SIGHUP) manager.stopping(count == 0 && !keep ? "running jobs may finish" : "ending");
        if (info.ssi_signo == SIGHUP) {
            manager.reloading();
            program.reload_plugins([&manager] { manager.ready("the plugins were looked at"); });
        } else if (info.ssi_signo == SIGUSR2)
            hand_over(program, sigrun::k_start_again);
        else if (++count == 1 && keep)
            hand_over(program, 0);
        else if (count == 1)
            program.drain(std::string("signal ") + strsignal(static_cast<int>(info.ssi_signo)),
                          [] { eventfd_write(drained, 1); });
        else
            program.abort();
    }
    close(told);
}

int fail(const sigrun::problem& what) {
    sigrun::stop_logging();
    std::cerr << "sigrun-runner: " << what.text() << "\n";
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (int code = sigrun::run_as_plugin_host(argc, argv); code >= 0) return code;
    if (int code = sigrun::run_as_probe_host(argc, argv); code >= 0) return code;
    CLI::App app{
        "sigrun-runner: runs jobs on this machine for a Sigrun controller.\n"
        "SIGTERM or Ctrl-C drains it: no new jobs, running ones may finish; a second one ends them.\n"
        "SIGHUP replaces the plugins whose files have changed; running jobs go on.\n"
        "SIGUSR2 ends it at once and leaves the jobs to the next start (an upgrade); see on_stop."};
    command_line line;
    std::vector<std::string> values[std::size(k_flags)];
    std::vector<std::string> overrides;
    app.add_option("-c,--config", line.config_file, "INI file with a section [runner]");
    for (std::size_t i = 0; i < std::size(k_flags); ++i) {
        auto* option = app.add_option(k_flags[i].name, values[i], k_flags[i].doc)->expected(1);
        if (k_flags[i].repeatable) option->take_all();
    }
    app.add_option("--set", overrides, "override one value: section.key=value (repeatable)")->expected(1)->take_all();
    bool supervised = false;
    app.add_flag("--supervise", supervised, "start it again when it crashes, from a small parent process");
    app.set_version_flag("--version", "sigrun-runner " SIGRUN_VERSION);
    if (sigrun::described(app, argc, argv)) return 0;
    CLI11_PARSE(app, argc, argv);
    for (std::size_t i = 0; i < std::size(k_flags); ++i)
        if (!values[i].empty())
            line.overrides.push_back(
                (std::string_view(k_flags[i].key).find('.') == std::string_view::npos ? "runner." : "") +
                std::string(k_flags[i].key) + "=" + joined(values[i], k_flags[i].key == std::string_view("labels")));
    line.overrides.insert(line.overrides.end(), overrides.begin(), overrides.end());

    if (supervised)
        if (int code = sigrun::supervise({"sigrun-runner"}); code >= 0) return code;
    sigset_t signals;
    sigemptyset(&signals);
    for (int s : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR2}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);  // a file at its limit is like a full disk: an error of one write

    const auto manager = sigrun::service_manager::from_environment();
    std::mutex output;
    auto program = build(line, [&output, &manager](const std::string& text) {
        manager.status(text);
        std::lock_guard lock(output);
        std::cout << text << std::endl;
    });
    if (!program) return fail(program.error());
    if (auto started = (*program)->start(); !started) {
        auto why = started.error();
        (*program)->stop();
        return fail(why);
    }
    manager.ready("");
    {
        sigrun::watchdog alive(manager, (*program)->threads(), [](const std::string& name) {
            SIGRUN_LOG(sigrun::logs::runner, error, "the ", name, " thread does not answer");
        });
        run_until_told(**program, signals, (*program)->keeps_jobs(), manager);
    }
    (*program)->stop();
    sigrun::stop_logging();
    return 0;
}
