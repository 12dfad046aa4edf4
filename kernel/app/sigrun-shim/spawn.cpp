#include "spawn.hpp"

#include "identity.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace sigrun::shim {
namespace {

struct failure_note {
    std::uint32_t stage;
    int error;
};

std::string_view search_path(char* const* environment) {
    for (; *environment; ++environment)
        if (std::strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

// execvp without its fallback to /bin/sh for files without a "#!" line. Returns errno.
int exec_in_path(char* const* argv, char* const* environment) {
    std::string_view name = argv[0];
    if (name.empty()) return ENOENT;
    if (name.find('/') != std::string_view::npos) {
        ::execve(argv[0], argv, environment);
        return errno;
    }
    int error = ENOENT;
    std::string_view rest = search_path(environment);
    std::string file;
    for (bool more = true; more;) {
        auto colon = rest.find(':');
        more = colon != std::string_view::npos;
        file.assign(rest.substr(0, colon));
        if (more) rest.remove_prefix(colon + 1);
        file += file.empty() ? "./" : "/";
        file += name;
        ::execve(file.c_str(), argv, environment);
        if (errno == ENOENT || errno == ENOTDIR) continue;
        if (errno != EACCES) return errno;
        error = EACCES;  // a later folder may have one that can be run
    }
    return error;
}

[[noreturn]] void fail(int note_fd, std::uint32_t stage, int error) {
    failure_note note{stage, error};
    [[maybe_unused]] ssize_t n = ::write(note_fd, &note, sizeof note);
    ::_exit(127);
}

// A runner may be protected from being killed for lack of memory. Its jobs are what is to be killed then.
void take_no_protection() {
    int score = ::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    char sign = 0;
    if (score < 0) return;
    if (::pread(score, &sign, 1, 0) == 1 && sign == '-') {
        [[maybe_unused]] ssize_t n = ::pwrite(score, "0", 1, 0);
    }
    ::close(score);
}

[[noreturn]] void become(char* const* argv, char* const* environment, const spawn_place& where, pid_t shim,
                         int note_fd) {
    const auto& what = *where.what;
    const bool at_terminal = (what.setting.what & SIGRUN_SHIM_PTY) != 0;
    // At a terminal the shim leads the session: what ends with its leader, the terminal among it, goes on with the next step.
    if (at_terminal ? ::setpgid(0, 0) != 0 || ::tcsetpgrp(where.out, ::getpgrp()) != 0 : ::setsid() < 0)
        fail(note_fd, at_terminal ? SIGRUN_SHIM_STAGE_PTY : SIGRUN_SHIM_STAGE_FORK, errno);
    if (int error = where.held_to->join()) fail(note_fd, SIGRUN_SHIM_STAGE_LIMITS, error);
    if (int error = where.within->enter()) fail(note_fd, SIGRUN_SHIM_STAGE_NAMESPACE, error);
    if (::dup2(where.out, 1) < 0 || ::dup2(where.err, 2) < 0 || (at_terminal && ::dup2(where.out, 0) < 0))
        fail(note_fd, SIGRUN_SHIM_STAGE_FORK, errno);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    take_no_protection();
    if (int error = become_user(what)) fail(note_fd, SIGRUN_SHIM_STAGE_USER, error);
    // The tree must not outlive the shim: this ends at least the main process at once, the executor finds the rest. A change of
    // the user takes it back, so it comes after that.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != where.within->seen_parent(shim)) ::_exit(127);
    if (::chdir(where.workdir) != 0) fail(note_fd, SIGRUN_SHIM_STAGE_WORKDIR, errno);
    if (int error = where.held_to->lower()) fail(note_fd, SIGRUN_SHIM_STAGE_LIMITS, error);
    if (int error = give_up_privileges(what)) fail(note_fd, SIGRUN_SHIM_STAGE_PRIVILEGES, error);
    if (int error = give_up_files(what)) fail(note_fd, SIGRUN_SHIM_STAGE_FILES, error);
    if (int error = take_filter(what)) fail(note_fd, SIGRUN_SHIM_STAGE_FILTER, error);
    fail(note_fd, SIGRUN_SHIM_STAGE_EXEC, exec_in_path(argv, environment));
}

// As fork, but born in the cgroup: a process that moves there later could have children before, and moving costs milliseconds.
pid_t fork_into(int group, bool or_not_at_all) {
    if (group < 0) return ::fork();
    clone_args how{};
    how.flags = CLONE_INTO_CGROUP;
    how.exit_signal = SIGCHLD;
    how.cgroup = static_cast<std::uint64_t>(group);
    auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &how, sizeof how));
    return pid < 0 && !or_not_at_all && errno != EAGAIN && errno != ENOMEM ? ::fork() : pid;
}

}  // namespace

spawn_result spawn(char* const* argv, char* const* environment, const spawn_place& where) {
    int note[2];
    if (::pipe2(note, O_CLOEXEC) != 0) return {0, SIGRUN_SHIM_STAGE_FORK, errno};
    pid_t shim = ::getpid();
    pid_t pid = fork_into(where.group, where.held_to->by_group());
    if (pid < 0) {
        int error = errno;
        ::close(note[0]);
        ::close(note[1]);
        return {0, SIGRUN_SHIM_STAGE_FORK, error};
    }
    if (pid == 0) {
        ::close(note[0]);
        become(argv, environment, where, shim, note[1]);
    }
    ::close(note[1]);
    failure_note said{};
    ssize_t n = 0;
    do {
        n = ::read(note[0], &said, sizeof said);
    } while (n < 0 && errno == EINTR);
    ::close(note[0]);
    if (n != static_cast<ssize_t>(sizeof said)) return {pid, 0, 0};
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {0, said.stage, said.error};
}

}  // namespace sigrun::shim
