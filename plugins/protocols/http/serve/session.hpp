// The served end of a session over HTTP: a link made of long polls (frames to the peer) and posts (frames
// from it).
//
// Touched on the thread of its loop only, but for the link operations, which are [any]. Owned by the session
// table while the peer can reach it and by itself while the host holds it as a link; ticks until both have
// let go.
#pragma once

#include "link.hpp"
#include "loop.hpp"
#include "wire/frame_codec.hpp"
#include "wire/outbox.hpp"

#include <sigrun/cpp/host.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun::http {

class server;

class session : public sigrun_link, public ticking, public std::enable_shared_from_this<session> {
public:
    session(server& owner, loop& where, std::string token);

    /// [loop] Offers itself to the host; results as svc_link.adopt.
    sigrun_result adopt(std::uint64_t connection, std::string_view ticket, sigrun_error* error);
    loop& where() noexcept { return loop_; }

    /// The peer asks for frames after `ack`. `answer` gets a JSON array, at the latest after `wait`; nothing
    /// (status 410) when the session is over. A new poll releases the one before. Returns a number for
    /// drop_poll.
    using poll_answer = std::function<void(int status, std::string body)>;
    std::uint64_t poll(std::uint64_t ack, std::chrono::nanoseconds wait, poll_answer answer);
    /// Whoever polled has gone; its answer is not called.
    void drop_poll(std::uint64_t number);
    /// Frames the peer posted, in order; those seen before are skipped. False: a gap, nothing after it was
    /// taken.
    struct intake {
        bool gap = false;
        bool busy = false;
        std::uint64_t ack = 0;
        std::uint64_t found = 0;  // with a gap: the number after it
    };
    intake take(const std::vector<wire_frame>& frames);
    void peer_closed() { die("the peer closed the session"); }
    /// A newer generation serves: the peer is told, once, to open a session there; this one goes on until it is closed.
    void say_reconnect();
    /// The time of the retirement is over.
    void end_for_good() { die("retired: the deadline has passed"); }

    void tick(time_point now) override;
    void shut() override { die("the plugin is going away"); }

    sigrun_result execute(const sigrun_frame& offer) override;
    sigrun_result cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) override;
    sigrun_result ping(sigrun_op op) override;
    sigrun_result send(const sigrun_frame& frame) override;
    void close(sigrun_result why, sigrun_op op) override;

private:
    sigrun_result queue(wire_frame frame);
    void wake();
    void answer_poll(int status, std::string body);
    void seen_ack(std::uint64_t ack);
    sigrun_result deliver(const wire_frame& f);
    void die(std::string_view reason);
    void leave_if_over();

    struct waiting_ping {
        std::uint64_t seq;
        time_point sent;
        bool on_its_way;
        sdk::op op;
    };

    server& owner_;
    loop& loop_;
    std::string token_;
    outbox out_;
    const sigrun_sink* frames_ = nullptr;  // null: not adopted yet, or closed by the host
    std::uint64_t in_seq_ = 0;
    bool taking_ = false;
    bool host_closed_ = false;
    bool told_ = false;  // to reconnect
    bool dead_ = false;  // the peer can no longer reach it
    time_point last_seen_;
    time_point closed_at_;
    poll_answer poll_;
    std::uint64_t poll_number_ = 0;
    std::uint64_t poll_ack_ = 0;
    time_point poll_until_;
    std::vector<waiting_ping> pings_;
    std::atomic<bool> woken_{false};
    std::shared_ptr<session> self_;
};

}  // namespace sigrun::http
