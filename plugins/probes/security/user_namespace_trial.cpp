#include "user_namespace_trial.hpp"

#include <sigrun/cpp/copied_process.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace sigrun::security {
namespace {

using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

// The exit status of a child says which step failed and why: six bits of errno below two bits of step.
constexpr std::string_view k_steps[] = {"a user namespace", "mapping its user", "a mount namespace in it"};
constexpr int k_errno_bits = 6;

struct id_map {
    char text[48];
    std::size_t size;
};
id_map g_map;  // written before the child is made, under the lock

std::mutex g_one_at_a_time;
int g_stuck = -1;  // pidfd of a child that did not end; under the lock

int failed(int step) noexcept { return (step + 1) << k_errno_bits | std::min(errno, (1 << k_errno_bits) - 1); }

/// In the child: system calls only.
int namespace_steps() {
    if (::unshare(CLONE_NEWUSER) != 0) return failed(0);
    const int fd = ::open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ::write(fd, g_map.text, g_map.size) != static_cast<ssize_t>(g_map.size)) return failed(1);
    ::close(fd);
    // What the namespace is for: without this right in it (AppArmor may take it away) it is of no use.
    if (::unshare(CLONE_NEWNS) != 0) return failed(2);
    return 0;
}

bool ends_until(int pidfd, steady::time_point until) noexcept {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady::now());
        pollfd waiting{pidfd, POLLIN, 0};
        const int n = ::poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
        if (n > 0) return true;
        if (n == 0 && left <= milliseconds::zero()) return false;
        if (n < 0 && errno != EINTR) return false;
    }
}

/// Takes the end of a child that has ended.
siginfo_t reap(int pidfd) noexcept {
    siginfo_t info{};
    while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | __WALL) != 0 &&
           errno == EINTR) {
    }
    ::close(pidfd);
    return info;
}

trial_outcome outcome_of(const siginfo_t& info) noexcept {
    using kind = trial_outcome::kind;
    if (info.si_pid == 0) return {kind::not_started, ECHILD, {}};
    if (info.si_code != CLD_EXITED) return {kind::killed, info.si_status, {}};
    if (info.si_status == 0) return {kind::works, 0, {}};
    const int step = (info.si_status >> k_errno_bits) - 1;
    if (step < 0 || step > 2) return {kind::not_started, ECHILD, {}};
    return {kind::refused, info.si_status & ((1 << k_errno_bits) - 1), k_steps[step]};
}

trial_outcome run_child(int (*steps)(), milliseconds limit) {
    using kind = trial_outcome::kind;
    if (g_stuck >= 0) {
        if (!ends_until(g_stuck, steady::now())) return {kind::stuck, 0, {}};
        reap(g_stuck);
        g_stuck = -1;
    }
    // No handler of the host may run in the child; a copy keeps the mask, and only SIGKILL passes it.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    const pid_t pid = sdk::copy_process(pidfd);
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef SYS_close_range
        ::syscall(SYS_close_range, 3U, ~0U, 0U);  // keeps no connection of the host open, should it hang
#endif
        ::syscall(SYS_exit_group, steps());
    }
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return {kind::not_started, error, {}};
    if (pidfd < 0) {  // a kernel without CLONE_PIDFD: there is no wait with an end
        ::kill(pid, SIGKILL);
        while (::waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
        }
        return {kind::not_started, ENOSYS, {}};
    }
    if (ends_until(pidfd, steady::now() + limit)) return outcome_of(reap(pidfd));
    ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0U);
    if (ends_until(pidfd, steady::now() + milliseconds(200)))
        reap(pidfd);
    else
        g_stuck = pidfd;
    return {kind::timed_out, 0, {}};
}

}  // namespace

trial_outcome try_in_child(int (*steps)(), milliseconds limit) {
    std::lock_guard lock(g_one_at_a_time);
    return run_child(steps, limit);
}

trial_outcome try_user_namespace(milliseconds limit) {
    std::lock_guard lock(g_one_at_a_time);
    const int n = std::snprintf(g_map.text, sizeof g_map.text, "0 %u 1\n", static_cast<unsigned>(::geteuid()));
    g_map.size = static_cast<std::size_t>(n);
    return run_child(&namespace_steps, limit);
}

}  // namespace sigrun::security
