// A protocol in C++ that shares the daemon's port: a client sends one line, "@name@ METHOD {parameters}", and gets the answer
// of that method of the daemon as JSON; then the connection ends.
//
// It has no thread of its own: the host watches the descriptors (io lane). One step of a connection starts the next, so
// only the list of connections needs a lock:  reading -> calling -> writing -> gone.
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/protocol.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <set>

#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace sigrun::sdk;

constexpr std::string_view k_greeting = "@name@ ";
constexpr std::size_t k_longest_line = 16 * 1024;
constexpr std::size_t k_largest_answer = 4 * 1024 * 1024;
constexpr std::size_t k_reserve = 4096;  // for the error in place of an answer that is too large

class protocol;

struct connection {
    protocol& owner;
    int fd;
    std::uint64_t session, watch = 0;
    op lifetime;
    std::string line, answer;
    std::size_t sent = 0;
};

class protocol {
public:
    protocol(host h, const config_reader&) : host_(h), calls_(h.service<sigrun_svc_call>(SIGRUN_SVC_CALL)) {
        if (!SIGRUN_HAS(calls_, begin)) throw failure(SIGRUN_E_UNSUPPORTED, "the host has no service call/1");
    }

    // [ctl] The host lets go of its calls first, so each connection comes to its end.
    ~protocol() {
        std::unique_lock lock(mutex_);
        for (auto* c : connections_) ::shutdown(c->fd, SHUT_RDWR);
        changed_.wait(lock, [this] { return connections_.empty(); });
    }

    const void* interface(std::string_view id) noexcept { return id == SIGRUN_KIND_PROTOCOL ? &k_table : nullptr; }

    // [ctl] Nothing new; who still waits for a line reads its end, and what was asked is answered.
    void drain(std::uint64_t, op done) {
        {
            std::lock_guard lock(mutex_);
            draining_ = true;
            for (auto* c : connections_) ::shutdown(c->fd, SHUT_RD);
            if (!connections_.empty()) drained_ = std::move(done);
        }
        if (done) done.ok();
    }

private:
    // [io] Pure.
    static sigrun_result recognise(sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept {
        const auto seen = view(first).substr(0, k_greeting.size());
        if (seen != k_greeting.substr(0, seen.size())) return SIGRUN_NOT_MINE;
        return seen.size() == k_greeting.size() ? SIGRUN_OK : SIGRUN_NEED_MORE;
    }

    // [io] The connection is ours from here on, with all its bytes unread.
    static sigrun_result on_accept(sigrun_instance* i, const sigrun_accept* accept, sigrun_op lifetime) noexcept {
        auto& me = self<protocol>(i);
        return guarded(nullptr, [&]() -> sigrun_result {
            auto made = std::make_unique<connection>(connection{me, accept->fd, accept->session, 0, {}, {}, {}, 0});
            {
                std::lock_guard lock(me.mutex_);
                if (me.draining_) return SIGRUN_E_CANCELLED;
                me.connections_.insert(made.get());
            }
            auto* c = made.release();
            c->lifetime = op(me.host_, lifetime);
            me.on_io_lane(*c, &begin_reading);
            return SIGRUN_OK;
        });
    }

    // Watches are begun on the io lane, so that none of their calls comes before the id is known.
    void on_io_lane(connection& c, sigrun_fn step) {
        if (host_.sched()->post(host_.abi(), SIGRUN_LANE_IO, step, &c) < 0) gone(&c);
    }
    void watch(connection& c, std::uint32_t events, void (*ready)(void*, std::int32_t, std::uint32_t)) {
        if (host_.sched()->fd_watch(host_.abi(), c.fd, events, ready, &c, &c.watch) < 0) gone(&c);
    }
    void stop(connection& c, sigrun_fn then) { host_.sched()->stop(host_.abi(), c.watch, then, &c); }

    // [io]
    static void begin_reading(void* ctx) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        c.owner.watch(c, SIGRUN_FD_READ, &on_readable);
    }
    static void begin_writing(void* ctx) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        c.owner.watch(c, SIGRUN_FD_WRITE, &on_writable);
    }

    // [io]
    static void on_readable(void* ctx, std::int32_t fd, std::uint32_t) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        char room[2048];
        const auto n = ::recv(fd, room, sizeof room, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n > 0 && guarded(nullptr, [&] { c.line.append(room, static_cast<std::size_t>(n)); }) < 0) c.line.clear();
        // A whole line, the end of what comes, or more than a line may have: on to the next step, when no read is running.
        if (n <= 0 || c.line.empty() || c.line.size() > k_longest_line || c.line.find('\n') != c.line.npos)
            c.owner.stop(c, &on_line);
    }

    // [io] Hands the call to the host.
    static void on_line(void* ctx) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        auto& me = c.owner;
        std::string_view text = c.line;
        const auto end = text.find('\n');
        if (end == text.npos || end < k_greeting.size() || end > k_longest_line) return gone(ctx);  // no whole line came
        text = text.substr(k_greeting.size(), end - k_greeting.size());
        if (text.ends_with('\r')) text.remove_suffix(1);
        const auto space = text.find(' ');
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = str(text.substr(0, space));
        if (space != text.npos) call.params = str(text.substr(space + 1));
        const sigrun_sink replies{sizeof replies, 0, &c, &on_frame};
        error_text error;
        std::uint64_t id = 0;
        const auto r = me.calls_->begin(me.host_.abi(), c.session, &call, &replies, &id, &error.abi);
        if (r >= 0) return;  // perhaps the connection is gone already
        guarded(nullptr, [&] { c.answer = concat(error.text(), "\n"); });
        me.on_io_lane(c, &begin_writing);
    }

    // [any] One piece of the answer; the last one starts the writing. Touches nothing of the connection after that.
    static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        return guarded(nullptr, [&]() -> sigrun_result {
            const auto payload = c.owner.host_.content(frame->payload);
            const bool last = (frame->flags & SIGRUN_FRAME_LAST) != 0;
            // Refused as a whole: the host sends an error in its place.
            if (c.answer.size() + frame->json.len + payload.size() > k_largest_answer + (last ? k_reserve : 0))
                return SIGRUN_E_INVALID;
            if (frame->json.len) c.answer += concat(view(frame->json), "\n");
            c.answer += payload;
            if (last) c.owner.on_io_lane(c, &begin_writing);
            return SIGRUN_OK;
        });
    }

    // [io] The socket takes more of the answer.
    static void on_writable(void* ctx, std::int32_t fd, std::uint32_t) noexcept {
        auto& c = *static_cast<connection*>(ctx);
        while (c.sent < c.answer.size()) {
            const auto n = ::send(fd, c.answer.data() + c.sent, c.answer.size() - c.sent, MSG_NOSIGNAL);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
            if (n < 0) break;  // the client went away
            c.sent += static_cast<std::size_t>(n);
        }
        c.owner.stop(c, &gone);
    }

    // The last step. [any]
    static void gone(void* ctx) noexcept {
        std::unique_ptr<connection> c(static_cast<connection*>(ctx));
        auto& me = c->owner;
        op lifetime = std::move(c->lifetime), drained;
        {
            std::lock_guard lock(me.mutex_);
            ::close(c->fd);  // under the lock: drain shuts down the descriptors of the list
            me.connections_.erase(c.get());
            if (me.connections_.empty()) drained = std::move(me.drained_);
            me.changed_.notify_all();
        }
        // From here on the instance may be destroyed.
        lifetime.ok();
        if (drained) drained.ok();
    }

    static constexpr sigrun_serve k_serve = {sizeof(sigrun_serve), 0, &recognise, &on_accept, nullptr, nullptr, nullptr};
    static constexpr sigrun_protocol k_table = {sizeof(sigrun_protocol), 0,       str("@name@"), str("@name@"), str(""),
                                                &k_serve,                nullptr, nullptr};

    host host_;
    const sigrun_svc_call* calls_;
    std::mutex mutex_;  // never held across a call into the host
    std::condition_variable changed_;
    std::set<connection*> connections_;
    op drained_;
    bool draining_ = false;
};

}  // namespace

SIGRUN_PLUGIN("@id@", "1.0.0", "One method call per line", 0,
              sigrun::sdk::component<protocol>("@name@", SIGRUN_KIND_PROTOCOL, "One method call per line"))
