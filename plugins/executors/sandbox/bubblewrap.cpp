#include "bubblewrap.hpp"

#include "descriptor.hpp"
#include "shim_process.hpp"

#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace sigrun::sandbox {
namespace {

using process::descriptor;
using steady = std::chrono::steady_clock;
constexpr std::chrono::seconds k_longest{1};  // of each of the two questions
constexpr std::size_t k_most_text = 4096;

struct answer {
    bool good = false;  // exit code 0
    std::string text;   // standard output and error
};

// What it says until it ends, or until the time is over.
void read_until(int from, steady::time_point until, std::string& text) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count();
        pollfd waiting{from, POLLIN, 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return;
        char room[1024];
        const ssize_t n = ::read(from, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        text.append(room, std::min(static_cast<std::size_t>(n), k_most_text - std::min(text.size(), k_most_text)));
    }
}

answer ask(const std::vector<std::string>& command) {
    answer said;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return said;
    descriptor ours(ends[0]), theirs(ends[1]);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, theirs.get(), 1);
    ::posix_spawn_file_actions_adddup2(&files, theirs.get(), 2);
    std::vector<char*> argv;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    char language[] = "LC_ALL=C";
    char* environment[] = {language, nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environment);
    ::posix_spawn_file_actions_destroy(&files);
    if (error) {
        said.text = std::strerror(error);
        return said;
    }
    theirs.reset();
    const auto until = steady::now() + k_longest;
    read_until(ours.get(), until, said.text);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now()).count();
    const auto end = process::watch_process(pid);
    pollfd waiting{end.get(), POLLIN, 0};
    if (!end || ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) <= 0) {
        ::kill(pid, SIGKILL);
        said.text += " (no end in time)";
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    said.good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return said;
}

std::string first_line(std::string_view text) {
    return std::string(sdk::trimmed(text.substr(0, text.find('\n'))).substr(0, 200));
}

std::string in_path(std::string_view folders) {
    while (!folders.empty()) {
        const auto folder = folders.substr(0, folders.find(':'));
        folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
        if (folder.empty() || folder[0] != '/') continue;
        auto path = sdk::concat(folder, "/bwrap");
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

}  // namespace

bubblewrap find_bubblewrap(const std::string& configured) {
    bubblewrap b;
    const char* path = std::getenv("PATH");
    b.program = configured.empty() ? in_path(path ? path : "/usr/bin:/bin") : configured;
    if (b.program.empty()) {
        b.why_not = "bwrap is not installed (Debian package bubblewrap)";
        return b;
    }
    const auto version = ask({b.program, "--version"});
    if (!version.good || !version.text.starts_with("bubblewrap ")) {
        b.why_not = sdk::concat(b.program, " is not bubblewrap: ", first_line(version.text));
        return b;
    }
    b.version = first_line(version.text.substr(11));
    // As its first process: bwrap then waits for everything that it has started.
    std::vector<std::string> trial{b.program, "--as-pid-1",  "--unshare-ipc", "--unshare-pid", "--unshare-net", "--ro-bind", "/",
                                   "/",        "--dev",         "/dev",          "--proc",        "/proc",     "--",
                                   "/bin/true"};
    const auto made = ask(trial);
    if (!made.good) b.why_not = sdk::concat("bwrap cannot make a sandbox here: ", first_line(made.text));
    return b;
}

bubblewrap bubblewrap_finder::get() const {
    std::lock_guard lock(mutex_);
    const auto now = steady::now();
    const bool known = looked_ != steady::time_point();
    if (!known || (!known_.why_not.empty() && now - looked_ > std::chrono::seconds(10))) {
        known_ = find_bubblewrap(configured_);
        looked_ = now;
    }
    return known_;
}

}  // namespace sigrun::sandbox
