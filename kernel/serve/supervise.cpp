#include "kernel/serve/supervise.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/base/time_text.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <optional>

namespace sigrun {
namespace {

constexpr int k_passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2};

bool ends(int signal) { return signal != SIGHUP && signal != SIGUSR2; }

timespec spec_of(nanoseconds t) {
    const auto s = std::chrono::duration_cast<std::chrono::seconds>(t);
    return {s.count(), (t - s).count()};
}

class parent {
public:
    parent(const supervise_options& options, const sigset_t& waited) : options_(options), waited_(waited) {}

    // Until the child has ended; its status.
    int watch(pid_t child) {
        for (;;) {
            int status = 0;
            if (::waitpid(child, &status, WNOHANG) == child) return status;
            int got = ::sigwaitinfo(&waited_, nullptr);
            if (got < 0 || got == SIGCHLD) continue;
            stopping_ = stopping_ || ends(got);
            ::kill(child, got);
        }
    }
    // False: told to stop meanwhile.
    bool pause(nanoseconds delay) {
        const auto until = std::chrono::steady_clock::now() + delay;
        for (;;) {
            const auto left = until - std::chrono::steady_clock::now();
            if (left <= nanoseconds(0)) return true;
            const auto time = spec_of(left);
            int got = ::sigtimedwait(&waited_, nullptr, &time);
            if (got > 0 && got != SIGCHLD && ends(got)) return false;
        }
    }
    // What to exit with; nothing: start it again.
    std::optional<int> after(int status, nanoseconds ran) {
        if (WIFEXITED(status) && (stopping_ || WEXITSTATUS(status) != k_start_again)) return WEXITSTATUS(status);
        if (WIFEXITED(status)) return std::nullopt;
        const int signal = WTERMSIG(status);
        if (stopping_) return 128 + signal;
        if (ran >= options_.good_run) delay_ = nanoseconds(0);
        delay_ = delay_ == nanoseconds(0) ? options_.first_delay : std::min(2 * delay_, options_.longest_delay);
        std::cerr << options_.program << ": ended by " << ::strsignal(signal) << " after " << span_of_time(ran.count())
                  << ", is started again in " << format_duration(delay_) << std::endl;
        if (!pause(delay_)) return 128 + signal;
        return std::nullopt;
    }

private:
    const supervise_options& options_;
    const sigset_t& waited_;
    nanoseconds delay_{0};
    bool stopping_ = false;
};

}  // namespace

int supervise(const supervise_options& options) {
    sigset_t waited, before;
    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    for (int s : k_passed_on) sigaddset(&waited, s);
    ::sigprocmask(SIG_BLOCK, &waited, &before);
    parent me(options, waited);
    for (const pid_t self = ::getpid();;) {
        const auto began = std::chrono::steady_clock::now();
        const pid_t child = ::fork();
        if (child < 0) {
            std::cerr << options.program << ": cannot be started: " << std::strerror(errno) << std::endl;
            return 1;
        }
        if (child == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            ::sigprocmask(SIG_SETMASK, &before, nullptr);
            if (::getppid() != self) ::raise(SIGTERM);  // it died before the line above
            return -1;
        }
        const int status = me.watch(child);
        if (auto code = me.after(status, std::chrono::steady_clock::now() - began)) return *code;
    }
}

}  // namespace sigrun
