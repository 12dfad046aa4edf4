#include "kernel/app/sigrun/dev_daemon.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sigrun::cli {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view k_listening = "listening on 127.0.0.1:";
constexpr std::chrono::seconds k_start_time{30};
constexpr std::size_t k_kept_lines = 20;

// "2026-01-01T00:00:00.000Z info plugin/mine: text": what stands between level and colon.
std::string_view source_of(std::string_view line) {
    for (int word = 0; word < 2; ++word) {
        const auto space = line.find(' ');
        if (space == std::string_view::npos) return {};
        line.remove_prefix(space + 1);
    }
    return line.substr(0, line.find(':'));
}

}  // namespace

dev_daemon::dev_daemon(context& ctx, std::string shipped, std::vector<std::string> settings)
    : ctx_(ctx), settings_(std::move(settings)) {
    const char* tmp = std::getenv("TMPDIR");
    folder_ = std::string(tmp && *tmp ? tmp : "/tmp") + "/sigrun-dev-XXXXXX";
    if (!::mkdtemp(folder_.data()))
        throw failure(make_problem(errc::io, "cannot make " + folder_ + ": " + std::strerror(errno)));
    plugins_ = folder_ + "/plugins";
    std::error_code ec;
    fs::copy(shipped, plugins_, fs::copy_options::recursive, ec);
    if (!ec) {
        try {
            start_daemon();
            start_runner();
            return;
        } catch (...) {
            runner_.reset();
            daemon_.reset();
            fs::remove_all(folder_, ec);
            throw;
        }
    }
    const std::string why = ec.message();
    fs::remove_all(folder_, ec);
    throw failure(problem{errc::io, "the shipped plugins cannot be copied", "--plugin-dir",
                          "a folder with protocols/*.so", shipped + " (" + why + ")"});
}

dev_daemon::~dev_daemon() {
    ctx_.hang_up();
    runner_.reset();
    daemon_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

std::string dev_daemon::program(const char* name) const {
    const auto beside = fs::path(ctx_.around.program).parent_path() / name;
    std::error_code ec;
    return fs::exists(beside, ec) ? beside.string() : std::string(name);
}

void dev_daemon::start_daemon() {
    {
        std::lock_guard lock(mutex_);
        address_.clear();
        last_lines_.clear();
    }
    // What changes in its folder changes through us; and an author wants the new version, whatever it does.
    std::vector<std::string> argv{
        program("sigrund"),          "--state-dir", folder_ + "/state", "--plugin-dir", plugins_,           "--set",
        "server.listen=127.0.0.1:0", "--set",       "log.level=debug",  "--set",        "plugins.watch=no", "--set",
        "plugins.probation=0s"};
    for (const auto& s : settings_) argv.insert(argv.end(), {"--set", s});
    daemon_ = need(child_program::start(argv, [this](std::string_view line) { on_line("sigrund", line); }));
    const auto deadline = std::chrono::steady_clock::now() + k_start_time;
    for (;;) {
        const bool over = daemon_->ended().has_value();
        {
            std::lock_guard lock(mutex_);
            if (!address_.empty()) {
                url_ = "valkyrie://" + address_;
                break;
            }
            if (over || std::chrono::steady_clock::now() > deadline) {
                std::string text = "the private daemon did not start";
                for (const auto& line : last_lines_) text += "\n" + line;
                throw failure(make_problem(errc::unavailable, text));
            }
        }
        if (ctx_.waits().wait_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(20)) ==
            waiter::outcome::interrupted)
            throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
    }
    ctx_.hang_up();
    ctx_.options.url = url_;
}

void dev_daemon::start_runner() {
    runner_ = need(child_program::start({program("sigrun-runner"), "--url", url_, "--name", "dev", "--state-dir",
                                         folder_ + "/runner", "--plugin-dir", plugins_, "--log-level", "debug"},
                                        [this](std::string_view line) { on_line("sigrun-runner", line); }));
}

void dev_daemon::restart() {
    runner_.reset();
    daemon_.reset();
    start_daemon();
    start_runner();
}

void dev_daemon::restart_runner() {
    runner_.reset();
    start_runner();
}

bool dev_daemon::died() {
    bool any = false;
    for (auto* each : {&daemon_, &runner_}) {
        if (!*each || !(*each)->ended()) continue;
        any = true;
        each->reset();
    }
    return any;
}

void dev_daemon::show_lines_of(std::vector<std::string> names) {
    std::lock_guard lock(mutex_);
    names_ = std::move(names);
}

void dev_daemon::on_line(std::string_view program, std::string_view line) {
    bool wanted = false;
    {
        std::lock_guard lock(mutex_);
        if (line.starts_with(k_listening)) address_ = line.substr(line.rfind("127.0.0.1"));
        last_lines_.emplace_back(line);
        if (last_lines_.size() > k_kept_lines) last_lines_.erase(last_lines_.begin());
        const auto source = source_of(line);
        for (const auto& name : names_) {
            // Its own lines, and what the loader says of it.
            wanted = wanted || source == "plugin/" + name;
            wanted = wanted || (source == "plugin" && line.find(name) != std::string_view::npos);
        }
    }
    if (!wanted) return;
    try {
        context::print(std::string(program) + " | " + std::string(line) + "\n");
    } catch (const reader_gone&) {
        // The main thread meets it as well, and ends.
    } catch (const std::exception&) {
    }
}

}  // namespace sigrun::cli
