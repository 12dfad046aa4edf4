#include "kernel/app/sigrun/waiter.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

namespace sigrun::cli {

waiter::waiter(signals which) {
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
    if (which == signals::left) return;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

waiter::~waiter() {
    ::close(wake_fd_);
    if (signal_fd_ >= 0) ::close(signal_fd_);
}

void waiter::wake() noexcept {
    const std::uint64_t one = 1;
    // Full (2^64 - 1 wakes unread) is as good as written.
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void waiter::interrupt() noexcept {
    interrupted_ = true;
    wake();
}

waiter::outcome waiter::wait_until(time_point deadline) {
    for (;;) {
        if (interrupted_) return outcome::interrupted;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const auto ms = std::clamp<std::int64_t>(left.count(), 0, 3'600'000);
        std::array<pollfd, 2> watched{{{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
        const int ready = ::poll(watched.data(), watched.size(), static_cast<int>(ms));
        if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
        if (ready > 0 && watched[0].revents) {
            signalfd_siginfo info{};
            if (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
                signal_ = static_cast<int>(info.ssi_signo);
                return outcome::interrupted;
            }
        }
        if (ready > 0 && watched[1].revents) {
            std::uint64_t wakes = 0;
            [[maybe_unused]] const auto got = ::read(wake_fd_, &wakes, sizeof wakes);
            return outcome::woken;
        }
        if (ready == 0 && std::chrono::steady_clock::now() >= deadline) return outcome::timed_out;
    }
}

}  // namespace sigrun::cli
