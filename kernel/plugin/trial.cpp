#include "kernel/plugin/trial.hpp"

#include "kernel/log/log.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace sigrun {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view k_flag = "--plugin-host";
constexpr std::string_view k_good = "good\n";
constexpr std::size_t k_max_report = 4096;

struct temporary_folder {
    std::string path;
    ~temporary_folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

problem os_problem(const std::string& what, int error) { return {errc::io, what + ": " + std::strerror(error)}; }

// What the child says until it ends or the deadline comes.
std::string listen_to(int from, time_point deadline) {
    std::string said;
    char chunk[1024];
    for (;;) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        pollfd one{from, POLLIN, 0};
        int n = left > 0 ? ::poll(&one, 1, static_cast<int>(left)) : 0;
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return said;
        ssize_t got = ::read(from, chunk, sizeof chunk);
        if (got <= 0) return said;
        if (said.size() < k_max_report) said.append(chunk, static_cast<std::size_t>(got));
    }
}

// Ends the child if it is still there. The wait status.
int end_child(pid_t child, time_point deadline, bool& hung) {
    int status = 0;
    hung = false;
    // Its end of the pipe is closed or the time is over; a process that has said everything gets a moment to exit.
    for (auto patience = std::max(deadline, std::chrono::steady_clock::now() + std::chrono::milliseconds(100));;) {
        if (::waitpid(child, &status, WNOHANG) == child) return status;
        if (std::chrono::steady_clock::now() >= patience) break;
        ::poll(nullptr, 0, 1);
    }
    hung = true;
    ::kill(child, SIGKILL);
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

// What the plugins of a trial left in its process; ended, so that nothing of it keeps the parent's pipe open.
std::string what_is_left() {
    std::string left;
    pid_t child;
    while ((child = ::waitpid(-1, nullptr, WNOHANG)) >= 0) {
        left = "it left a process behind in its trial";
        if (child > 0) continue;
        for (const auto& entry : fs::directory_iterator("/proc")) {
            std::ifstream in(entry.path() / "stat");
            std::string stat;
            std::getline(in, stat);
            const auto name_end = stat.rfind(')');
            if (name_end != std::string::npos &&
                std::atoi(stat.c_str() + std::min(name_end + 4, stat.size())) == ::getpid())
                ::kill(std::atoi(stat.c_str()), SIGKILL);
        }
        ::poll(nullptr, 0, 1);
    }
    // The host's own threads have been joined; the kernel may take a moment to forget them.
    auto threads = [] { return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()); };
    for (int i = 0; i < 200 && threads() > 1; ++i) ::poll(nullptr, 0, 1);
    if (left.empty() && threads() > 1) left = "it left a thread behind in its trial";
    return left;
}

}  // namespace

int run_as_plugin_host(int argc, char** argv) {
    if (argc != 3 || argv[1] != k_flag) return -1;
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // What the plugin prints is nobody's; only this function speaks to the parent.
    const int parent = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    std::string report, kinds;
    {
        metrics numbers;
        plugin_host_options options;
        options.plugin_dir = argv[2];
        options.program = "sigrun plugin host";
        options.private_folder = true;
        plugin_host host(std::move(options), settings::parse("", "trial").value(), numbers);
        auto loaded = host.load_all();
        if (!loaded) report = loaded.error().text();
        for (const auto& each : host.plugins()) {
            if (!each.active && report.empty()) report = each.reason;
            for (const auto& component : each.components) kinds += component.kind + "\n";
        }
        host.shutdown();
    }
    if (report.empty()) report = what_is_left();
    const bool good = report.empty();
    if (good) report = std::string(k_good) + kinds;
    [[maybe_unused]] auto written = ::write(parent, report.data(), report.size());
    ::_exit(good ? 0 : 1);
}

result<void> try_plugin(std::string_view bytes, const std::string& program, const std::string& scratch,
                        nanoseconds limit, std::vector<std::string>* kinds) {
    return try_plugins({bytes}, program, scratch, limit, kinds);
}

result<void> try_plugins(const std::vector<std::string_view>& all_bytes, const std::string& program,
                         const std::string& scratch, nanoseconds limit, std::vector<std::string>* kinds) {
    temporary_folder folder{scratch + "/trial-XXXXXX"};
    if (!::mkdtemp(folder.path.data())) return os_problem("cannot make a folder for the trial in " + scratch, errno);
    for (std::size_t i = 0; i < all_bytes.size(); ++i) {
        std::ofstream out(folder.path + "/plugin-" + std::to_string(i) + ".so", std::ios::binary);
        out.write(all_bytes[i].data(), static_cast<std::streamsize>(all_bytes[i].size()));
        if (!out.flush()) return os_problem("cannot write " + folder.path, errno);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return os_problem("cannot begin the trial", errno);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t nothing;
    sigemptyset(&nothing);
    posix_spawnattr_setsigmask(&attributes, &nothing);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::string flag(k_flag);
    char* arguments[] = {const_cast<char*>(program.c_str()), flag.data(), folder.path.data(), nullptr};
    pid_t child = -1;
    const int failed = ::posix_spawn(&child, program.c_str(), &files, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    ::close(ends[1]);
    if (failed) {
        ::close(ends[0]);
        return os_problem("cannot start " + program + " for the trial", failed);
    }
    const auto deadline = std::chrono::steady_clock::now() + limit;
    const std::string said = listen_to(ends[0], deadline);
    ::close(ends[0]);
    bool hung = false;
    const int status = end_child(child, deadline, hung);
    if (said.starts_with(k_good) && !hung) {
        std::istringstream lines(said.substr(k_good.size()));
        for (std::string kind; kinds && std::getline(lines, kind);) kinds->push_back(kind);
        return {};
    }
    if (hung)
        return make_problem(errc::timeout, "it did not get through its trial in " +
                                               std::to_string(limit / std::chrono::milliseconds(1)) + " ms");
    if (WIFSIGNALED(status))
        return make_problem(errc::invalid, std::string("it crashed in its trial: ") + ::strsignal(WTERMSIG(status)));
    if (!said.empty()) return make_problem(errc::invalid, said);
    return make_problem(errc::invalid,
                        "it ended its trial by itself, with exit code " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace sigrun
