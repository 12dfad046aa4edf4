#include "attempt.hpp"

#include "leftovers.hpp"

#include <sigrun/cpp/spool.hpp>

#include <signal.h>
#include <sys/epoll.h>
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
constexpr std::uint64_t k_look_again_ns = 5 * k_millisecond;
// A shim that has not ended this long after its last grace, or does not listen, is stuck and gets killed itself.
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
    : host_(host),
      source_(std::move(source)),
      shim_(std::move(shim)),
      watches_{watch{this, part::control}, watch{this, part::exit}},
      reader_(source_.spool.get(), sdk::spool_nonce(source_.names.token), source_.capacity),
      force_at_(later(source_.force_at_ns, k_force_ns)) {}

attempt::attempt(sdk::host host, attempt_source source, found_spool found)
    : attempt(host, std::move(source), shim_process{}) {
    shim_.ours = false;
    if (found.mark) reader_.begin_at(*found.mark);
    if (found.locked && !found.end)
        looking_since_ = monotonic_ns();
    else
        gone_ = true;
    if (found.end) take_end(*found.end);
    limit_is_open_ = gone_ && !found.end;
}

void attempt::begin(int epoll) {
    epoll_ = epoll;
    if (!shim_.ours) announce();
    if (gone_) return shim_gone();
    if (looking()) return look_for_shim(monotonic_ns());
    arm(at(part::control));
    arm(at(part::exit));
}

void attempt::arm(watch& w) {
    int fd = w.what == part::control ? shim_.control.get() : shim_.exit.get();
    if (w.armed || fd < 0) return;
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = &w;
    w.armed = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) == 0;
}

// Removed, not masked: a closed socket would report its hang-up for ever.
void attempt::disarm(watch& w) noexcept {
    if (!w.armed) return;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, w.what == part::control ? shim_.control.get() : shim_.exit.get(), nullptr);
    w.armed = false;
}

// A shim notices in a moment that its agent is gone, and listens then. It may also end at any time, or never have begun.
void attempt::look_for_shim(std::uint64_t now) {
    auto found = find_spool(source_.folder, source_.names.token);
    if (!found || !found->locked || found->end) {
        looking_since_ = 0;
        if (found && found->mark) reader_.begin_at(*found->mark);
        return shim_gone();
    }
    if (found->mark && !shim_.exit) {
        shim_.pid = found->mark->shim_pid;
        shim_.exit = watch_process(shim_.pid);
        // It still holds the lock, so the number was its own when it was looked up.
        if (auto again = find_spool(source_.folder, source_.names.token); !again || !again->locked) shim_.exit.reset();
    }
    if (shim_.exit) shim_.control = connect_shim(source_.folder);
    if (!shim_.control) {
        if (now - looking_since_ > k_force_ns && shim_.exit) ::kill(shim_.pid, SIGKILL);
        return;
    }
    looking_since_ = 0;
    connected();
}

void attempt::connected() {
    arm(at(part::control));
    arm(at(part::exit));
    if (discard_) send_order(shim_.control, SIGRUN_SHIM_DISCARD, nullptr, 0);
    if (std::exchange(kill_due_, false)) kill(kill_grace_ns_);
}

void attempt::on_ready(part what) {
    if (!at(what).armed) return;  // ended earlier in the same batch of events
    if (what == part::control)
        read_control();
    else
        shim_gone();
    read_spool();
}

void attempt::read_control() {
    char room[1024];
    while (shim_.control) {
        ssize_t n = ::recv(shim_.control.get(), room, sizeof room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            disarm(at(part::control));
            break;
        }
        inbox_.append(room, static_cast<std::size_t>(n));
        if (static_cast<std::size_t>(n) < sizeof room) break;
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
    if (head.type == SIGRUN_SHIM_STARTED && head.length == sizeof(sigrun_shim_started)) {
        sigrun_shim_started started{};
        std::memcpy(&started, body, sizeof started);
        look_at_steps();
        progress_.running = started.step;
        if (announced_)
            tell_state();
        else
            announce();
    } else if (head.type == SIGRUN_SHIM_WRITTEN && head.length == sizeof(sigrun_shim_written)) {
        sigrun_shim_written written{};
        std::memcpy(&written, body, sizeof written);
        limit_ = written.position;
        reader_.set_base(written.base);
        answer_due_ = true;
    } else if (head.type == SIGRUN_SHIM_EXITED && head.length == sizeof(sigrun_shim_exited)) {
        sigrun_shim_exited end{};
        std::memcpy(&end, body, sizeof end);
        take_end(end);
    } else if (head.type == SIGRUN_SHIM_MEASURED && head.length == sizeof(sigrun_shim_measured)) {
        sigrun_shim_measured measured{};
        std::memcpy(&measured, body, sizeof measured);
        evidence_.measured = measured;
    }
}

void attempt::take_end(const sigrun_shim_exited& end) {
    evidence_.exited = end;
    limit_ = end.position;
    reader_.set_base(end.base);
}

// What the spool says of them, beyond what is known.
void attempt::look_at_steps() {
    if (!has_steps(source_.steps)) return;
    for (const auto& each : steps_in(source_.spool, source_.names.token, source_.capacity, progress_.ended.size()))
        progress_.ended.push_back(each);
}

void attempt::announce() {
    if (std::exchange(announced_, true)) return;
    // Of one that an earlier agent began: which step runs nobody has told, but they run in their order.
    look_at_steps();
    if (!progress_.running && progress_.ended.size() < source_.steps.size()) progress_.running = progress_.ended.size();
    tell_state();
}

void attempt::tell_state() {
    if (discard_) return;
    std::string state = R"({"state":"running")";
    if (auto limits = to_json(source_.limits); !limits.empty()) state += sdk::concat(R"(,"limits":)", limits);
    if (auto held = to_json(source_.setting); !held.empty()) state += sdk::concat(R"(,"isolation":)", held);
    if (has_steps(source_.steps)) state += sdk::concat(R"(,"steps":)", to_json(source_.steps, progress_));
    offer(SIGRUN_STATE, nullptr, state + "}", nullptr);
}

void attempt::shim_gone() {
    read_control();  // its last words are in the socket
    disarm(at(part::control));
    disarm(at(part::exit));
    evidence_.shim_status.reset();
    if (int status = 0; shim_.ours && ::waitpid(shim_.pid, &status, 0) == shim_.pid) evidence_.shim_status = status;
    gone_ = true;
    looking_since_ = 0;
    force_at_ = k_never;
    answer_due_ = false;
    if (!evidence_.exited)  // it can have found no executor to tell
        if (auto end = end_in(source_.spool, source_.names.token)) take_end(*end);
    if (!evidence_.measured) evidence_.measured = measured_in(source_.spool, source_.names.token);
    if (evidence_.exited) return;
    limit_is_open_ = true;
    bool empty = !source_.group || empty_group(*source_.group);
    auto left = kill_leftovers(source_.names.token);
    evidence_.left_behind = left + (empty ? 0 : 1);
    host_.log(SIGRUN_LOG_WARNING, "sigrun-shim of job ", source_.names.job, " died; its processes were killed, ",
              evidence_.left_behind, " are left");
}

void attempt::read_spool() {
    more_ = false;
    auto stored = source_.progress->stored.load(std::memory_order_acquire);
    for (int i = 0; i < k_reads_per_turn && (limit_is_open_ || reader_.position() < limit_); ++i) {
        sigrun_spool_record record{};
        if (!reader_.peek(record)) return out_of_records();
        if (discard_ || record.offset + record.length <= stored) {
            held_ = {};
            holding_ = false;
            reader_.step_over(record);
            continue;
        }
        auto content = std::move(held_);
        if (!std::exchange(holding_, false)) {
            sigrun_buf* raw = host_.buffers()->create(host_.abi(), record.length);
            if (!raw) break;  // out of memory: again in a moment
            void* room = nullptr;
            host_.buffers()->view(raw, &room, nullptr, nullptr);
            bool good = reader_.read(record, static_cast<char*>(room));
            if (good) host_.buffers()->set_len(raw, record.length);
            content = sdk::buffer::share(host_, raw);
            host_.buffers()->release(raw);
            if (!good) return out_of_records();
        }
        if (!deliver(record, std::move(content))) return;
        reader_.step_over(record);
    }
    more_ = limit_is_open_ || reader_.position() < limit_;
    if (!more_) tell_progress(std::exchange(answer_due_, false));
}

// A killed shim leaves a record that it had not finished, and nothing is missed by that. Otherwise the disk has lost something.
void attempt::out_of_records() {
    if (!limit_is_open_)
        host_.log(SIGRUN_LOG_ERROR, "the spool of job ", source_.names.job, " is damaged at byte ", reader_.offset(),
                  " of its output; the rest is lost");
    limit_is_open_ = false;
    limit_ = reader_.position();
    more_ = false;
    // What comes later cannot be found either, and the job must not wait for it to be read.
    discard_output();
}

bool attempt::deliver(const sigrun_spool_record& record, sdk::buffer content) {
    auto r = offer(SIGRUN_LOG, &record, {}, content.get());
    if (r == SIGRUN_E_BUSY) {
        held_ = std::move(content);
        holding_ = true;
        return false;
    }
    if (r < 0) discard_output();
    return true;
}

sigrun_result attempt::offer(std::uint32_t kind, const sigrun_spool_record* record, std::string_view json,
                             sigrun_buf* payload) const {
    sigrun_attempt who{sizeof(sigrun_attempt), source_.names.number, sdk::str(source_.names.job),
                       sdk::str(source_.names.token)};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = kind;
    f.attempt = &who;
    f.json = sdk::str(json);
    f.payload = payload;
    f.time_ns = record ? record->time_ns : clock_ns(CLOCK_REALTIME);
    if (record) {
        f.stream = record->stream;
        f.offset = record->offset;
    }
    return source_.sink.on_frame(source_.sink.ctx, &f);
}

// The shim hears what was read when it has asked, and that there is room again when it may soon need it: an order for each
// acknowledgement would cost more than the output.
void attempt::tell_progress(bool answer) {
    if (gone_ || !shim_.control) return;
    // Without a folder nobody can come and ask for it again.
    bool keep = source_.folder && !discard_;
    reader_.stored(keep ? source_.progress->stored.load(std::memory_order_acquire) : reader_.offset());
    bool all_free = reader_.free_position() == reader_.position();
    bool crowded = reader_.position() - reader_.free_position() > source_.capacity / 2 ||
                   reader_.position() - reader_.base() > source_.capacity / 16;
    bool worth_it = crowded && reader_.free_position() > told_free_ &&
                    (all_free || reader_.free_position() - told_free_ > source_.capacity / 4);
    source_.progress->room_wanted.store(crowded && !all_free, std::memory_order_release);
    if (!answer && !worth_it) return;
    sigrun_shim_progress how{reader_.position(), reader_.free_position(), reader_.free_offset()};
    if (send_order(shim_.control, SIGRUN_SHIM_PROGRESS, &how, sizeof how)) told_free_ = how.free_position;
}

void attempt::kill(std::uint64_t grace_ns) {
    if (gone_) return;
    evidence_.cancelled = true;
    force_at_ = std::min(force_at_, later(later(monotonic_ns(), grace_ns), k_force_ns));
    if (looking()) {
        kill_grace_ns_ = kill_due_ ? std::min(kill_grace_ns_, grace_ns) : grace_ns;
        kill_due_ = true;
        return;
    }
    sigrun_shim_kill order{grace_ns, SIGRUN_SHIM_CANCELLED, 0};
    send_order(shim_.control, SIGRUN_SHIM_KILL, &order, sizeof order);
}

void attempt::abort() {
    if (std::exchange(aborted_, true)) return;
    kill(0);
}

void attempt::discard_output() {
    if (std::exchange(discard_, true)) return;
    held_ = {};
    holding_ = false;
    if (!gone_) send_order(shim_.control, SIGRUN_SHIM_DISCARD, nullptr, 0);
}

std::uint64_t attempt::tick(std::uint64_t now) {
    if (looking()) look_for_shim(now);
    read_spool();
    if (now >= force_at_) {
        if (shim_.pid > 0 && shim_.exit) ::kill(shim_.pid, SIGKILL);
        force_at_ = k_never;
    }
    std::uint64_t next = force_at_;
    if (looking()) next = std::min(next, later(now, k_look_again_ns));
    if (holding_) next = std::min(next, later(now, k_retry_ns));
    return more_ ? now : next;
}

outcome attempt::conclusion() const {
    auto all = evidence_;
    all.limits = source_.limits;
    all.setting = source_.setting;
    if (all.limits.empty() && all.measured) all.limits = held_limits(source_.asked, all.measured->controllers);
    auto how = with_outputs(conclude(all, source_.steps), read_outputs(source_.workspace));
    how = with_steps(std::move(how), source_.steps, steps_in(source_.spool, source_.names.token, source_.capacity, 0));
    return without_secrets(std::move(how), source_.secrets);
}

bool attempt::group_was_killed() const noexcept {
    return !evidence_.exited || evidence_.exited->ladder != 0 || evidence_.exited->leftovers > 0 || evidence_.cancelled;
}

bool attempt::finished() const noexcept {
    return gone_ && !looking() && !holding_ && !limit_is_open_ && reader_.position() >= limit_;
}

}  // namespace sigrun::process
