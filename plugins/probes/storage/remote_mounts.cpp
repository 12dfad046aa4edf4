#include "remote_mounts.hpp"

#include <sigrun/cpp/copied_process.hpp>

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sigrun::storage {
namespace {

using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

/// What a worker writes into its pipe.
struct message {
    int error = 0;
    space room;
};
struct worker {
    std::string path;
    int pidfd = -1, pipe = -1;
};

/// In the child: system calls only, and nothing of the host stays open should it hang.
[[noreturn]] void answer_into(int pipe, const char* path, answer<space> (*ask)(const char*)) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(pipe, 0);
#ifdef SYS_close_range
    ::syscall(SYS_close_range, 1U, ~0U, 0U);
#endif
    const auto got = ask(path);
    const message out{got.error, got.value};
    const auto written = ::write(0, &out, sizeof out);
    ::syscall(SYS_exit_group, written == static_cast<ssize_t>(sizeof out) ? 0 : 1);
    ::_exit(1);
}

/// Nothing: no process could be made.
std::optional<worker> start(const std::string& path) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
    // No handler of the host may run in the child; a copy keeps the mask, and only SIGKILL passes it.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    const pid_t pid = sdk::copy_process(pidfd);
    if (pid == 0) answer_into(ends[1], path.c_str(), &space_at);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(ends[1]);
    if (pid > 0 && pidfd >= 0) return worker{path, pidfd, ends[0]};
    if (pid > 0) ::kill(pid, SIGKILL);  // a kernel without CLONE_PIDFD: there is no wait with an end
    ::close(ends[0]);
    return std::nullopt;
}

bool has_ended(int pidfd, milliseconds within) noexcept {
    pollfd one{pidfd, POLLIN, 0};
    return ::poll(&one, 1, static_cast<int>(within.count())) > 0;
}
void reap(int pidfd) noexcept {
    siginfo_t info{};
    while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | __WALL) != 0 &&
           errno == EINTR) {
    }
    ::close(pidfd);
}

std::optional<remote_answer> read_answer(int pipe) {
    message in;
    if (::read(pipe, &in, sizeof in) != static_cast<ssize_t>(sizeof in)) return std::nullopt;
    return remote_answer{true, {in.error, in.room}};
}

}  // namespace

remote_mounts::~remote_mounts() {
    for (const auto& [path, pidfd] : stuck_)
        has_ended(pidfd, milliseconds(0)) ? reap(pidfd) : static_cast<void>(::close(pidfd));
}

std::map<std::string, remote_answer> remote_mounts::ask(const std::vector<std::string>& paths, milliseconds limit,
                                                        const std::function<bool()>& go_on) {
    std::map<std::string, remote_answer> out;
    std::vector<worker> open;
    for (const auto& path : paths) {
        if (open.size() + stuck_.size() >= k_most) break;
        if (const auto before = stuck_.find(path); before != stuck_.end()) {
            if (!has_ended(before->second, milliseconds(0))) {
                out[path] = remote_answer{};
                continue;
            }
            reap(before->second);
            stuck_.erase(before);
        }
        if (auto one = start(path)) open.push_back(std::move(*one));
    }
    const auto until = steady::now() + limit;
    std::size_t waiting = open.size();
    while (waiting > 0 && steady::now() < until && go_on()) {
        constexpr milliseconds k_slice{20};
        std::vector<pollfd> pipes;
        for (const auto& w : open) pipes.push_back({w.pipe, POLLIN, 0});
        if (::poll(pipes.data(), pipes.size(), static_cast<int>(k_slice.count())) <= 0) continue;
        for (std::size_t i = 0; i < open.size(); ++i) {
            if (!pipes[i].revents) continue;
            if (const auto got = read_answer(open[i].pipe)) out[open[i].path] = *got;
            ::close(std::exchange(open[i].pipe, -1));  // poll passes over what is negative
            --waiting;
        }
    }
    for (auto& w : open)
        if (w.pipe >= 0) {
            ::syscall(SYS_pidfd_send_signal, w.pidfd, SIGKILL, nullptr, 0U);
            ::close(w.pipe);
            out[w.path] = remote_answer{};
        }
    const auto end = steady::now() + milliseconds(200);
    for (const auto& w : open) {
        const auto left = std::chrono::ceil<milliseconds>(end - steady::now());
        if (has_ended(w.pidfd, std::max(left, milliseconds(0))))
            reap(w.pidfd);
        else
            stuck_[w.path] = w.pidfd;
    }
    return out;
}

void collect_remote(const sdk::sysroot& root, const machine_calls& calls, remote_mounts& workers, milliseconds limit,
                    sdk::probe_run& run) {
    const auto paths = shown_remote_mounts(root);
    if (paths.empty())
        return run.facts().none("fs", "absent", {.source = "/proc/self/mountinfo", .detail = "no remote mount"});
    const auto answers = workers.ask(paths, limit, [&run] { return run.go_on(); });
    auto with_answers = calls;
    with_answers.remote_answer_of = [&answers](const std::string& path) -> std::optional<remote_answer> {
        const auto at = answers.find(path);
        return at == answers.end() ? std::nullopt : std::optional(at->second);
    };
    read_file_systems(root, with_answers, run);
}

}  // namespace sigrun::storage
