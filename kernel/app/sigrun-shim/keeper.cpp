#include "keeper.hpp"

#include "private_view.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sigrun::shim {
namespace {

constexpr int k_hold = 0, k_word = 1;  // the keeper's only descriptors

int clone_flags(std::uint32_t what) {
    int flags = 0;
    if (what & SIGRUN_SHIM_NS_MOUNT) flags |= CLONE_NEWNS;
    if (what & SIGRUN_SHIM_NS_PID) flags |= CLONE_NEWPID;
    if (what & SIGRUN_SHIM_NS_NET) flags |= CLONE_NEWNET;
    if (what & SIGRUN_SHIM_NS_IPC) flags |= CLONE_NEWIPC;
    return flags;
}

// Waits for the children that others leave to it, until nobody wants it any more and none is left.
[[noreturn]] void wait_for_the_end() {
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    int children = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    for (bool over = false;;) {
        pid_t found = 0;
        while ((found = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        if (over && found < 0 && errno == ECHILD) ::_exit(0);
        pollfd watched[2] = {{over ? -1 : k_hold, POLLIN, 0}, {children, POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0 && errno != EINTR) ::_exit(1);
        signalfd_siginfo ignored[16];
        while (::read(children, ignored, sizeof ignored) > 0) {
        }
        if (watched[0].revents) over = true;
    }
}

[[noreturn]] void keep(const plan& what, int hold, int word) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Not the control socket and not the spool, whose lock says that the shim lives.
    if (::dup2(hold, k_hold) < 0 || ::dup2(word, k_word) < 0) ::_exit(1);
    ::close_range(k_word + 1, ~0u, 0);
    ::setsid();
    int error = make_private_view(what.setting, what.workspace);
    [[maybe_unused]] ssize_t n = ::write(k_word, &error, sizeof error);
    ::close(k_word);
    if (error) ::_exit(1);
    wait_for_the_end();
}

}  // namespace

int keeper::begin(const plan& what) {
    const int flags = clone_flags(what.setting.what);
    if (flags == 0) return 0;
    int hold[2], word[2];
    if (::pipe2(hold, O_CLOEXEC) != 0) return errno;
    if (::pipe2(word, O_CLOEXEC) != 0) {
        int error = errno;
        ::close(hold[0]);
        ::close(hold[1]);
        return error;
    }
    clone_args how{};
    how.flags = static_cast<std::uint64_t>(flags) | CLONE_PIDFD;
    how.pidfd = reinterpret_cast<std::uint64_t>(&pidfd_);
    how.exit_signal = SIGCHLD;
    auto made = static_cast<pid_t>(::syscall(SYS_clone3, &how, sizeof how));
    int error = made < 0 ? errno : 0;
    if (made == 0) {
        ::close(hold[1]);
        keep(what, hold[0], word[1]);
    }
    ::close(hold[0]);
    ::close(word[1]);
    if (made > 0) {
        ssize_t n = 0;
        int said = EIO;
        do {
            n = ::read(word[0], &said, sizeof said);
        } while (n < 0 && errno == EINTR);
        error = n == static_cast<ssize_t>(sizeof said) ? said : EIO;
        // From here on this process's children are born in the keeper's PID name space.
        if (!error && (flags & CLONE_NEWPID) && ::setns(pidfd_, CLONE_NEWPID) != 0) error = errno;
    }
    ::close(word[0]);
    hold_ = hold[1];
    if (error) {
        let_go();
        if (made > 0) {
            ::kill(made, SIGKILL);
            ::waitpid(made, nullptr, 0);
        }
        return error;
    }
    pid_ = made;
    joined_ = flags & ~CLONE_NEWPID;
    own_pids_ = (flags & CLONE_NEWPID) != 0;
    return 0;
}

int keeper::enter() const noexcept { return joined_ && ::setns(pidfd_, joined_) != 0 ? errno : 0; }

void keeper::let_go() noexcept {
    if (hold_ >= 0) ::close(std::exchange(hold_, -1));
}

}  // namespace sigrun::shim
