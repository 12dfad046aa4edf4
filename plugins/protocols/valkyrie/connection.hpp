// One Valkyrie connection, dialled or accepted, from the preface to the end. It carries method calls and,
// once a sink was given to it, a session (the link).
//
// Threads: descriptor, parser, inbox and everything marked [loop] belong to the loop's thread. What other
// threads use (output, call tables) is guarded by mutex_, which is held for an append only and never across a
// call into the host or a sink. Owned by its loop while the descriptor is open, and by links, calls and tasks
// that refer to it.
#pragma once

#include "call_table.hpp"
#include "core.hpp"
#include "frame_reader.hpp"
#include "hello.hpp"
#include "loop.hpp"
#include "output.hpp"
#include "session_inbox.hpp"

#include <sigrun/protocol.h>

#include <functional>
#include <mutex>
#include <vector>

namespace sigrun::valkyrie {

enum class role { dialled, accepted };

struct origin {
    role side = role::dialled;
    std::uint64_t session = 0;   // accepted
    std::string auth;            // accepted: what the socket itself proves, e.g. "uid 0"
    sigrun_op lifetime = 0;      // accepted
    std::shared_ptr<void> seat;  // accepted: counts among max_connections
};

class connection final : public io_handler, private frame_handler {
public:
    /// result OK: the handshake is done. Else the connection is gone and why.
    using ready_fn = std::function<void(sigrun_result result, const std::string& why)>;
    using ping_fn = std::function<void(sigrun_result result, std::uint64_t rtt_ns)>;

    connection(core_ptr shared, loop& on, int fd, origin from);
    ~connection() override;

    std::shared_ptr<connection> self() { return std::static_pointer_cast<connection>(shared_from_this()); }
    loop& on() noexcept { return loop_; }
    const sdk::host& host() const noexcept { return shared_->host; }

    /// [loop] Takes part in the loop and, if dialled, opens the handshake, which must be done by `deadline`.
    void start(std::uint64_t deadline, ready_fn ready);
    /// [loop] The sink of the session: when the handshake of a dialled connection is done, or after adopt.
    void open_session(const sigrun_sink& sink);
    /// [loop] Ends it: no frame, reply or op follows. A GOAWAY with the code goes to the peer first.
    void end(sigrun_result result, std::uint32_t wire_code, const std::string& why);
    /// [loop] Ends it unless the round trips are done in time (see watch_until(0)).
    void watch_until(std::uint64_t deadline);
    /// [loop] Ends it if no call and no session lives on it.
    void end_if_idle(std::uint32_t wire_code, const std::string& why);
    /// [loop] A newer generation takes what is new: tells the peer of an accepted connection, once, to go there. What it
    /// still sends is served; with no call for a while and no session it ends.
    void retire();
    /// [loop] The time of a retired connection is over.
    void cut();
    /// [loop] The host closed the link: the sink gets its BYE, calls end as cancelled.
    void close_session(const std::string& why);
    const hello& peer() const noexcept { return peer_; }
    std::uint64_t features() const noexcept { return agreed_features_; }

    // [any]
    sigrun_result send_frame(const sigrun_frame& frame);
    sigrun_result call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op);
    sigrun_result ping(ping_fn done);
    sigrun_result reply(inbound_call& to, const sigrun_frame& frame);

    void on_events(std::uint32_t events) override;
    void on_deadline(std::uint64_t now) override;
    void flush() override;
    void on_stop() override;

private:
    enum class phase { preface, hello, open, lingering, dead };

    // connection.cpp: life, reading, writing
    void read();
    void take(std::string_view bytes);
    void take_preface(std::string_view& bytes);
    void write_out();
    void update_interest();
    void release();
    void tear_down(sigrun_result result, const std::string& why);
    void refuse(const refusal& bad);
    void retry_inbox();
    std::string foreign_text() const;

    // connection_deadlines.cpp
    void arm_deadlines();
    bool is_reading() const noexcept;
    std::uint64_t peer_deadline() const noexcept;
    void watch_peer(std::uint64_t now);

    // connection_retire.cpp
    void say_reconnect();
    std::uint64_t retired_until() const noexcept;
    void end_if_left_alone(std::uint64_t now);
    bool has_unread() const noexcept;
    refusal on_reconnect(const frame_header& header, std::string_view body);

    // connection_frames.cpp: what arrives
    bool on_frame(const frame_header& header, std::string_view body) override;
    refusal dispatch(const frame_header& header, std::string_view body);
    refusal on_hello(std::string_view body);
    refusal on_call(const frame_header& header, std::string_view body);
    refusal on_call_end(const frame_header& header, std::string_view body);
    refusal on_reply(const frame_header& header, std::string_view body);
    refusal on_credit(const frame_header& header, std::string_view body);
    refusal on_pong(std::string_view body);
    refusal on_goaway(std::string_view body);
    void grant(std::uint32_t stream, std::uint64_t bytes);

    // connection_calls.cpp: calls that the peer makes
    void begin_call(inbound_call& call, const call_message& message);
    void refuse_call(inbound_call& call, std::string_view problem_json);
    void adopt(std::string_view reply_json);
    void resume_calls();

    // connection_send.cpp: calls that the host makes
    void finish_call(outbound_call& call, sigrun_result result, const std::string& why);
    void taken_reply(outbound_call& call, const frame_header& header, std::size_t bytes);
    void retry_replies();
    void expire_calls(std::uint64_t now);

    const core_ptr shared_;
    loop& loop_;
    const origin from_;

    // [loop]
    int fd_;
    phase phase_ = phase::preface;
    std::uint32_t interest_ = 0;
    bool want_write_ = false;
    bool peer_done_ = false;
    bool told_elsewhere_ = false;  // dialled: by RECONNECT
    bool linked_ = false;          // dialled: a reply has made it carry a session
    std::uint64_t handshake_deadline_ = 0;
    std::uint64_t watch_deadline_ = 0;
    std::uint64_t linger_deadline_ = 0;
    std::uint64_t retry_at_ = 0;
    std::uint64_t call_deadline_ = 0;
    std::uint64_t last_activity_ = 0;
    std::uint64_t heard_ = 0;          // bytes arrived
    std::uint64_t asked_ = 0;          // the last PING for life
    int unanswered_ = 0;               // of them, since heard_
    std::uint64_t retired_at_ = 0;     // the peer was told to go elsewhere; 0 = it was not
    std::uint64_t blocked_since_ = 0;  // the socket takes nothing; 0 = it does
    ready_fn ready_;
    hello ours_;
    hello peer_;
    std::uint64_t agreed_features_ = 0;
    std::string first_bytes_;  // of the preface
    frame_reader reader_;
    refusal bad_;          // set by on_frame
    std::string goodbye_;  // the peer's GOAWAY
    byte_buffer wire_;     // taken from output_, partly written
    session_inbox inbox_;

    std::mutex mutex_;
    bool usable_ = true;
    bool overflowed_ = false;  // a frame was refused because the peer takes nothing: the loop ends the connection
    output output_;
    inbound_table inbound_;
    outbound_table outbound_;
    std::size_t waiting_calls_ = 0;
    struct ping_wait {
        std::uint64_t id;
        std::uint64_t sent;
        ping_fn done;
    };
    std::vector<ping_wait> pings_;
    std::uint64_t next_ping_ = 0;
    bool session_expected_ = false;
    bool session_told_ = false;  // the session was told to reconnect
    std::atomic<bool> retry_wanted_{false};
    std::atomic<std::uint64_t> last_call_{0};  // when a call came or was answered, once the instance retires
};

}  // namespace sigrun::valkyrie

/// What the host holds: a live way to a peer.
struct sigrun_link {
    std::shared_ptr<sigrun::valkyrie::connection> connection;

    sigrun_result send(const sigrun_frame& frame);
    sigrun_result ping(sigrun_op op);
    sigrun_result call(const sigrun_call& request, const sigrun_sink& replies, sigrun_op op);
    void close(sigrun_result why, sigrun_op op);
};
