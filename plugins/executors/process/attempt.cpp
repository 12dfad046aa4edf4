#include "attempt.hpp"

#include "leftovers.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::process {
namespace {

constexpr std::uint64_t k_millisecond = 1'000'000;
constexpr std::uint64_t k_retry_ns = 5 * k_millisecond;
// A shim that has not ended this long after its last grace is stuck and gets killed itself.
constexpr std::uint64_t k_force_ns = 20'000 * k_millisecond;
constexpr int k_reads_per_turn = 16;  // fairness between attempts

std::uint64_t clock_ns(clockid_t which) noexcept {
    timespec t{};
    ::clock_gettime(which, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t later(std::uint64_t now, std::uint64_t by) noexcept { return by > k_never - now ? k_never : now + by; }

}  // namespace

std::uint64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

attempt::attempt(sdk::host host, attempt_source source, shim_process shim)
    : host_(host), source_(std::move(source)), shim_(std::move(shim)) {
    watches_ = {watch{this, part::out, shim_.out.get()}, watch{this, part::err, shim_.err.get()},
                watch{this, part::control, shim_.control.get()}, watch{this, part::exit, shim_.exit.get()}};
}

void attempt::begin(int epoll) {
    epoll_ = epoll;
    for (auto& w : watches_) arm(w);
}

void attempt::arm(watch& w) {
    if (w.armed || w.fd < 0) return;
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = &w;
    w.armed = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, w.fd, &e) == 0;
}

// Removed, not masked: a closed pipe would report its hang-up for ever.
void attempt::disarm(watch& w) noexcept {
    if (!w.armed) return;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, w.fd, nullptr);
    w.armed = false;
}

void attempt::on_ready(part what) {
    if (!at(what).armed) return;  // ended earlier in the same batch of events
    switch (what) {
        case part::out:
        case part::err: return read_output(what);
        case part::control: return read_control();
        case part::exit: return shim_gone();
    }
}

void attempt::read_output(part what) {
    auto& w = at(what);
    auto stream = what == part::out ? SIGRUN_STREAM_STDOUT : SIGRUN_STREAM_STDERR;
    for (int i = 0; i < k_reads_per_turn && w.armed; ++i) {
        int waiting = 0;
        ::ioctl(w.fd, FIONREAD, &waiting);
        auto size = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(waiting, 0)), 512, SIGRUN_LOG_MAX);
        sigrun_buf* raw = host_.buffers()->create(host_.abi(), size);
        if (!raw) return;  // out of memory: epoll reports the pipe again
        void* room = nullptr;
        host_.buffers()->view(raw, &room, nullptr, nullptr);
        ssize_t n = ::read(w.fd, room, size);
        int error = errno;
        if (n > 0) host_.buffers()->set_len(raw, static_cast<std::uint64_t>(n));
        auto content = sdk::buffer::share(host_, raw);
        host_.buffers()->release(raw);
        if (n < 0 && (error == EAGAIN || error == EINTR)) return;
        if (n <= 0) return end_output(w);
        if (!deliver(static_cast<std::uint32_t>(stream), clock_ns(CLOCK_REALTIME), std::move(content))) return;
        if (waiting <= n) return;
    }
}

void attempt::end_output(watch& w) {
    disarm(w);
    w.fd = -1;
    (w.what == part::out ? shim_.out : shim_.err).reset();
}

bool attempt::deliver(std::uint32_t stream, std::uint64_t time_ns, sdk::buffer content) {
    if (discard_) return true;
    auto r = offer(SIGRUN_LOG, stream, time_ns, {}, content.get());
    if (r == SIGRUN_E_BUSY) {
        held_ = {stream, time_ns, std::move(content)};
        holding_ = true;
        disarm(at(part::out));
        disarm(at(part::err));
        return false;
    }
    if (r < 0) discard_ = true;
    return true;
}

sigrun_result attempt::offer(std::uint32_t kind, std::uint32_t stream, std::uint64_t time_ns, std::string_view json,
                             sigrun_buf* payload) const {
    sigrun_attempt who{sizeof(sigrun_attempt), source_.names.number, sdk::str(source_.names.job),
                       sdk::str(source_.names.token)};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = kind;
    f.stream = stream;
    f.time_ns = time_ns;
    f.attempt = &who;
    f.json = sdk::str(json);
    f.payload = payload;
    return source_.sink.on_frame(source_.sink.ctx, &f);
}

void attempt::read_control() {
    char room[1024];
    for (;;) {
        ssize_t n = ::recv(shim_.control.get(), room, sizeof room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            disarm(at(part::control));
            break;
        }
        inbox_.append(room, static_cast<std::size_t>(n));
    }
    sigrun_shim_head head{};
    while (inbox_.size() >= sizeof head) {
        std::memcpy(&head, inbox_.data(), sizeof head);
        if (inbox_.size() - sizeof head < head.length) break;
        take_message(head, inbox_.data() + sizeof head);
        inbox_.erase(0, sizeof head + head.length);
    }
}

void attempt::take_message(const sigrun_shim_head& head, const char* body) {
    if (head.type == SIGRUN_SHIM_STARTED && !announced_) {
        announced_ = true;
        if (!discard_) offer(SIGRUN_STATE, 0, clock_ns(CLOCK_REALTIME), R"({"state":"running"})", nullptr);
    } else if (head.type == SIGRUN_SHIM_REFUSED && head.length == sizeof(sigrun_shim_refused)) {
        std::memcpy(&evidence_.refused.emplace(), body, sizeof(sigrun_shim_refused));
    } else if (head.type == SIGRUN_SHIM_EXITED && head.length == sizeof(sigrun_shim_exited)) {
        std::memcpy(&evidence_.exited.emplace(), body, sizeof(sigrun_shim_exited));
    }
}

void attempt::shim_gone() {
    read_control();  // its last words are in the socket
    disarm(at(part::control));
    disarm(at(part::exit));
    ::waitpid(shim_.pid, &evidence_.shim_status, 0);
    gone_ = true;
    force_at_ = k_never;
    drain_until_ = later(monotonic_ns(), source_.limits.output_drain_ns);
    if (!evidence_.exited) {
        auto left = kill_leftovers(source_.names.token);
        host_.log(SIGRUN_LOG_WARNING, "sigrun-shim of job ", source_.names.job, " died; its processes were killed, ",
                  left, " are left");
    }
}

void attempt::kill(kill_cause cause, std::uint64_t grace_ns) {
    if (gone_) return;
    if (evidence_.cause == kill_cause::none) evidence_.cause = cause;
    char message[sizeof(sigrun_shim_head) + sizeof(sigrun_shim_kill)];
    sigrun_shim_head head{SIGRUN_SHIM_KILL, sizeof(sigrun_shim_kill)};
    sigrun_shim_kill order{grace_ns};
    std::memcpy(message, &head, sizeof head);
    std::memcpy(message + sizeof head, &order, sizeof order);
    [[maybe_unused]] ssize_t n = ::send(shim_.control.get(), message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
    force_at_ = std::min(force_at_, later(later(monotonic_ns(), grace_ns), k_force_ns));
}

void attempt::abort() {
    if (std::exchange(aborted_, true)) return;
    kill(kill_cause::cancelled, 0);
}

void attempt::discard_output() noexcept {
    discard_ = true;
    held_ = {};
}

std::uint64_t attempt::tick(std::uint64_t now) {
    if (holding_) {
        bool delivered =
            discard_ || deliver(held_.stream, held_.time_ns, sdk::buffer::share(host_, held_.content.get()));
        if (delivered) {
            held_ = {};
            holding_ = false;
            arm(at(part::out));
            arm(at(part::err));
        }
        if (gone_) drain_until_ = later(now, source_.limits.output_drain_ns);
    }
    if (!gone_ && now >= source_.limits.deadline_ns && evidence_.cause == kill_cause::none)
        kill(kill_cause::timeout, source_.limits.kill_grace_ns);
    if (now >= force_at_) {
        ::kill(shim_.pid, SIGKILL);
        force_at_ = k_never;
    }
    if (gone_ && !holding_ && now >= drain_until_) {
        end_output(at(part::out));
        end_output(at(part::err));
    }
    std::uint64_t next = std::min(force_at_, gone_ ? drain_until_ : k_never);
    if (!gone_ && evidence_.cause == kill_cause::none) next = std::min(next, source_.limits.deadline_ns);
    return holding_ ? std::min(next, later(now, k_retry_ns)) : next;
}

bool attempt::finished() const noexcept { return gone_ && !holding_ && !shim_.out && !shim_.err; }

}  // namespace sigrun::process
