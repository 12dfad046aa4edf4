#include "output.hpp"

#include <sigrun/base.h>

#include <asm/termbits.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sigrun::shim {
namespace {

constexpr int k_reads_per_turn = 16;  // then the children and the executor have their turn
constexpr std::chrono::milliseconds k_full_disk{100};
// Four full pieces: one is moved while the job writes the next, and neither waits for the other at each 64 KiB.
constexpr int k_pipe_bytes = 256 * 1024;
static_assert(SIGRUN_LOG_MAX == 65536);

std::uint64_t wall_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

void close_and_forget(int& fd) {
    if (fd >= 0) ::close(std::exchange(fd, -1));
}

}  // namespace

bool output::open_terminal(const sigrun_shim_setting& what) {
    terminal_ = true;
    auto& e = ends_[0];
    e.read = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int unlock = 0;
    if (e.read < 0 || ::ioctl(e.read, TIOCSPTLCK, &unlock) != 0) return false;
    // By way of the other end: its path may lie in another /dev.
    e.write = ::ioctl(e.read, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (e.write < 0) return false;
    const winsize size{what.rows, what.columns, 0, 0};
    termios how{};
    if (::ioctl(e.write, TIOCSWINSZ, &size) != 0 || ::ioctl(e.write, TCGETS, &how) != 0) return false;
    how.c_oflag &= ~static_cast<tcflag_t>(ONLCR);  // a line of the log ends as every other one
    if (what.what & SIGRUN_SHIM_AS_USER && ::fchown(e.write, what.uid, static_cast<gid_t>(-1)) != 0) return false;
    return ::ioctl(e.write, TCSETS, &how) == 0 && ::ioctl(e.write, TIOCSCTTY, 0) == 0;
}

bool output::open(const sigrun_shim_setting& what) {
    if (what.what & SIGRUN_SHIM_PTY) return open_terminal(what);
    for (auto& e : ends_) {
        int two[2];
        if (::pipe2(two, O_CLOEXEC) != 0) return false;
        e = {two[0], two[1]};
        ::fcntl(e.read, F_SETFL, O_NONBLOCK);
        ::fcntl(e.read, F_SETPIPE_SZ, k_pipe_bytes);  // refused to a user who has many already: then it stays as it is
    }
    return true;
}

void output::close_job_ends() noexcept {
    for (auto& e : ends_) close_and_forget(e.write);
}

void output::move() {
    retry_at_.reset();
    if (!held_.empty() && !store_held()) return;
    for (std::uint32_t i = 0; i < 2; ++i)
        if (!move_from(ends_[i], redactors_[i], i == 0 ? SIGRUN_STREAM_STDOUT : SIGRUN_STREAM_STDERR)) return;
}

// False: nothing more can be stored now.
bool output::move_from(ends& which, sdk::redactor& through, std::uint32_t stream) {
    for (int i = 0; i < k_reads_per_turn && which.read >= 0; ++i) {
        // What was held back may come out with what is read now: together it is one piece, and has room.
        const auto most = discard_ ? piece_.size() : std::min<std::uint64_t>(room(), piece_.size() - through.held());
        if (most == 0) return false;
        ssize_t n = ::read(which.read, piece_.data(), static_cast<std::size_t>(most));
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        const bool over = n <= 0;
        if (over) close_and_forget(which.read);
        held_ = {piece_.data(), over ? 0 : static_cast<std::size_t>(n)};
        if (!secrets_.empty()) {
            redacted_.clear();
            if (over)
                through.end(redacted_);
            else
                through.feed(held_, redacted_);
            held_ = redacted_;
        }
        held_stream_ = stream;
        held_time_ = wall_ns();
        if (!held_.empty() && !store_held()) return false;
        // Less than was asked for: the pipe is empty, and asking again would only say so.
        if (over || static_cast<std::uint64_t>(n) < most) return true;
    }
    return true;
}

bool output::store_held() {
    if (discard_ || spool_.append(held_stream_, held_time_, held_)) {
        held_ = {};
        return true;
    }
    retry_at_ = std::chrono::steady_clock::now() + k_full_disk;
    return false;
}

// Of the spool, beside what the redactors have taken already.
std::uint64_t output::room() const noexcept {
    const auto taken = redactors_[0].held() + redactors_[1].held();
    const auto free = spool_.room();
    return free > taken ? free - taken : 0;
}

void output::watch(pollfd* two) const noexcept {
    bool can_store = held_.empty() && (discard_ || room() > 0);
    for (std::size_t i = 0; i < 2; ++i) two[i] = {can_store ? ends_[i].read : -1, POLLIN, 0};
}

std::uint64_t output::left_behind() const noexcept {
    std::uint64_t n = held_.size() + redactors_[0].held() + redactors_[1].held();
    for (const auto& e : ends_) {
        int waiting = 0;
        if (e.read >= 0 && ::ioctl(e.read, FIONREAD, &waiting) == 0 && waiting > 0)
            n += static_cast<std::uint64_t>(waiting);
    }
    return discard_ ? 0 : n;
}

}  // namespace sigrun::shim
