#include "supervisor.hpp"

#include "process_tree.hpp"
#include "spawn.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Time that background processes get between TERM and KILL after a job ended by itself.
constexpr milliseconds k_settle{500};
constexpr std::chrono::seconds k_give_up{10};
constexpr milliseconds k_kill_again{5};

std::uint64_t to_ns(const timeval& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_usec) * 1000u;
}

}  // namespace

supervisor::supervisor(int control, int children, const plan& what)
    : control_(control), children_(children), plan_(what) {
    result_.exit_code = -1;
}

void supervisor::run() {
    start_step();
    for (;;) {
        reap();
        if (main_ == 0 && !last_step_over_) {
            step_ended();
            continue;
        }
        if (last_step_over_ && no_child_) break;
        if (kill_at_ && clock::now() >= *kill_at_) {
            kill_rest();
            if (result_.survivors > 0) break;
        }
        wait_for_event();
    }
    report();
}

void supervisor::start_step() {
    result_.step = static_cast<std::uint32_t>(step_);
    result_.exit_code = -1;
    auto started = spawn(plan_.steps[step_].data(), plan_.environment.data(), plan_.workdir);
    if (started.pid > 0) {
        main_ = started.pid;
        no_child_ = false;
        sigrun_shim_started note{result_.step, main_};
        send(SIGRUN_SHIM_STARTED, &note, sizeof note);
    } else {
        sigrun_shim_refused note{result_.step, started.stage, started.error, 0};
        send(SIGRUN_SHIM_REFUSED, &note, sizeof note);
    }
}

void supervisor::reap() {
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        no_child_ = pid < 0;
        if (pid <= 0) return;
        if (pid != main_) continue;
        main_ = 0;
        result_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        result_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
}

void supervisor::step_ended() {
    if (result_.exit_code == 0 && !result_.ladder && step_ + 1 < plan_.steps.size()) {
        ++step_;
        start_step();
        return;
    }
    last_step_over_ = true;
    if (no_child_ || result_.ladder) return;
    result_.leftovers = static_cast<std::uint32_t>(signal_descendants(SIGTERM));
    signal_descendants(SIGCONT);
    auto settled = clock::now() + k_settle;
    kill_at_ = kill_at_ ? std::min(*kill_at_, settled) : settled;
}

void supervisor::begin_ladder(nanoseconds grace) {
    bool first = result_.ladder == 0 && !last_step_over_;
    auto at = clock::now() + grace;
    kill_at_ = kill_at_ ? std::min(*kill_at_, at) : at;
    if (!first) return;
    result_.ladder = 1;
    signal_descendants(SIGTERM);
    signal_descendants(SIGCONT);  // a stopped process would sleep through the grace
}

void supervisor::kill_rest() {
    auto now = clock::now();
    if (!give_up_at_) give_up_at_ = now + k_give_up;
    auto found = signal_descendants(SIGKILL);
    if (now >= *give_up_at_) result_.survivors = static_cast<std::uint32_t>(std::max<std::size_t>(found, 1));
    kill_at_ = now + k_kill_again;
}

void supervisor::wait_for_event() {
    int timeout = -1;
    if (kill_at_) {
        auto left = std::chrono::ceil<milliseconds>(*kill_at_ - clock::now()).count();
        timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    pollfd watched[2] = {{children_, POLLIN, 0}, {control_, POLLIN, 0}};
    if (::poll(watched, 2, timeout) <= 0) return;
    if (watched[0].revents) {
        signalfd_siginfo ignored[16];
        while (::read(children_, ignored, sizeof ignored) > 0) {
        }
    }
    if (watched[1].revents) read_control();
}

void supervisor::read_control() {
    char room[256];
    ssize_t n = ::recv(control_, room, sizeof room, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
        control_ = -1;
        begin_ladder(nanoseconds(std::min<std::uint64_t>(plan_.grace_ns, 3'600'000'000'000u)));
        return;
    }
    inbox_.append(room, static_cast<std::size_t>(n));
    constexpr std::size_t k_size = sizeof(sigrun_shim_head) + sizeof(sigrun_shim_kill);
    while (inbox_.size() >= k_size) {
        sigrun_shim_kill kill{};
        std::memcpy(&kill, inbox_.data() + sizeof(sigrun_shim_head), sizeof kill);
        inbox_.erase(0, k_size);
        begin_ladder(nanoseconds(std::min<std::uint64_t>(kill.grace_ns, 3'600'000'000'000u)));
    }
}

void supervisor::send(std::uint32_t type, const void* body, std::size_t size) const {
    if (control_ < 0) return;
    char message[128];
    sigrun_shim_head head{type, static_cast<std::uint32_t>(size)};
    std::memcpy(message, &head, sizeof head);
    std::memcpy(message + sizeof head, body, size);
    [[maybe_unused]] ssize_t n = ::send(control_, message, sizeof head + size, MSG_NOSIGNAL);
}

void supervisor::report() {
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    result_.wall_ns = static_cast<std::uint64_t>(nanoseconds(clock::now() - began_).count());
    result_.user_ns = to_ns(used.ru_utime);
    result_.system_ns = to_ns(used.ru_stime);
    result_.max_rss_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024u;
    send(SIGRUN_SHIM_EXITED, &result_, sizeof result_);
}

}  // namespace sigrun::shim
