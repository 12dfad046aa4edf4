// One WebSocket connection, dialled or accepted, from the end of its upgrade to its own. It carries method calls and, once a
// sink was given to it, a session (the link).
//
// Threads: the stream, the inbox and everything marked [loop] belong to the loop's thread. What other threads use (the outbox,
// the call tables) is guarded by mutex_, which is held for an append only and never across a call into the host or a sink.
// Owned by its loop until it has ended, and by links, calls and handlers that refer to it.
#pragma once

#include "byte_stream.hpp"
#include "call_table.hpp"
#include "close_code.hpp"
#include "core.hpp"
#include "loop.hpp"
#include "outbox.hpp"
#include "session_inbox.hpp"

#include <sigrun/protocol.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <functional>
#include <mutex>
#include <vector>

namespace sigrun::websocket {

enum class role { dialled, accepted };

struct origin {
    role side = role::dialled;
    std::uint64_t session = 0;     // accepted
    std::string auth;              // accepted: what the request or the socket proves, e.g. "bearer x", "uid 0"
    sdk::op lifetime;              // accepted
    std::shared_ptr<void> seat;    // accepted: counts among max_connections
    std::size_t peer_message = 0;  // what the peer said it takes in one message; 0 = nothing was said
};

/// What is asked of the peer when dialling.
struct upgrade_request {
    std::string host;     // the header
    std::string target;   // path
    std::string headers;  // complete lines: credentials
    bool offer_deflate = false;
};

class connection final : public ticking, public std::enable_shared_from_this<connection> {
public:
    using http_request = boost::beast::http::request<boost::beast::http::string_body>;
    using http_response = boost::beast::websocket::response_type;
    /// result OK: the upgrade is done. Else the connection is gone and why.
    using ready_fn = std::function<void(sigrun_result result, const std::string& why)>;
    using ping_fn = std::function<void(sigrun_result result, std::uint64_t rtt_ns)>;

    connection(core_ptr shared, loop& on, byte_stream::socket_type socket, std::string early, origin from);
    ~connection() override;

    loop& on() noexcept { return loop_; }
    const sdk::host& host() const noexcept { return shared_->host; }

    /// [loop] Answers a request that was found right with 101.
    void accept(const http_request& request, bool with_subprotocol);
    /// [loop] Asks the peer for an upgrade, which must be done by `deadline`.
    void upgrade(const upgrade_request& request, time_point deadline, ready_fn ready);
    /// [loop] What a dialled peer answered, also when it refused.
    const http_response& answer() const noexcept { return answer_; }
    /// [loop] The largest message that the peer takes; 0 = it did not say.
    std::size_t peer_limit() const noexcept { return from_.peer_message; }
    /// [loop] The sink of the session: when the upgrade of a dialled connection is done, or after adopt.
    void open_session(const sigrun_sink& sink);
    /// [loop] Ends it: no frame, reply or op follows. A Close frame with the code goes to the peer first, unless it is none.
    void end(sigrun_result result, std::uint16_t code, const std::string& why);
    /// [loop] Ends it unless the round trips are done in time.
    void watch_until(time_point deadline) { watch_until_ = deadline; }
    /// [loop] Ends it if no call and no session lives on it, and nothing is on its way.
    void end_if_idle(const std::string& why);
    /// [loop] A newer generation takes what is new: tells the peer of an accepted connection, once, to go there. What it still
    /// sends is served; with no call for a while and no session it ends.
    void retire();
    /// [loop] The time of a retired connection is over.
    void cut();
    /// [loop] The host closed the link: the sink gets its BYE, calls end as cancelled.
    void close_session(const std::string& why);

    // [any]
    sigrun_result send_frame(const sigrun_frame& frame);
    sigrun_result call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op);
    sigrun_result ping(ping_fn done);
    sigrun_result reply(inbound_call& to, const sigrun_frame& frame);

    void tick(time_point now) override;
    void shut() override;

private:
    enum class phase { upgrading, open, closing, lingering, dead };
    using stream_type = boost::beast::websocket::stream<byte_stream>;
    using error_code = boost::system::error_code;

    // connection.cpp: life
    void prepare_stream(bool offer_deflate);
    std::string why_refused(const error_code& ec) const;
    void opened();
    void tear_down(sigrun_result result, const std::string& why);
    void start_close();
    void linger();
    void release();
    void forget_stream();

    // connection_io.cpp: what moves
    void read();
    void on_read(const error_code& ec, std::size_t n);
    void on_read_failed(const error_code& ec);
    bool reads() const;
    void wake();
    void flush();
    void send_pings();
    void on_control(boost::beast::websocket::frame_type kind, std::string_view payload);

    // connection_frames.cpp: what arrives
    void on_message(std::string_view bytes, bool binary);
    void on_reply(message m);
    void taken_reply(outbound_call& call, bool last);
    bool offer_reply(outbound_call& call, const sdk::wire_frame& frame);
    void refuse(const std::string& why);
    void retry_sinks();
    void retry_soon();

    // connection_calls.cpp: calls that the peer makes
    void on_call(message& m);
    void begin_call(inbound_call& call, const message& m);
    void refuse_call(inbound_call& call, std::string_view problem_json);
    void answer_unknown(std::uint64_t number, std::string_view problem_json);
    void on_call_end(std::uint64_t number);
    void adopt(std::string_view reply_json);
    void resume_calls();

    // connection_send.cpp: what the host sends
    void finish_call(outbound_call& call, sigrun_result result, const std::string& why);
    void expire_calls();
    bool is_full(bool bulk) const noexcept;
    bool is_roomy() const noexcept;
    bool fits_peer(const packed& m) const noexcept;

    // connection_deadlines.cpp
    void watch_peer(time_point now);
    bool is_used();
    void say_reconnect();
    bool is_arriving(time_point now);

    const core_ptr shared_;
    loop& loop_;
    origin from_;
    const std::size_t max_message_;  // as it was told to the peer

    // [loop]
    std::optional<stream_type> ws_;  // empty: dead
    phase phase_ = phase::upgrading;
    ready_fn ready_;
    http_response answer_;
    boost::beast::flat_buffer in_;
    bool reading_ = false;
    bool writing_ = false;
    bool pinging_ = false;
    bool closing_sent_ = false;
    packed out_;  // being written
    std::vector<std::string> due_pings_;
    std::uint64_t keepalive_ = 0;  // number of the ping for life that waits for its pong; 0 = none
    time_point asked_;             // when it, or the last one, was sent
    std::optional<time_point> message_since_;
    time_point last_message_;
    time_point deadline_;  // of the upgrade, or of the end
    std::optional<time_point> watch_until_;
    std::optional<time_point> retired_at_;
    std::uint16_t code_ = close_code::none;
    std::string why_;
    bool linked_ = false;           // dialled: a reply has made it carry a session
    bool kept_many_ = false;        // a sink is busy and holds up reading
    std::size_t kept_replies_ = 0;  // bytes of replies that busy sinks refused
    bool retry_armed_ = false;
    boost::asio::steady_timer retry_timer_;
    session_inbox inbox_;

    std::mutex mutex_;
    bool usable_ = false;
    outbox outbox_;
    std::unordered_map<std::uint64_t, inbound_call*> inbound_;
    std::unordered_map<std::uint64_t, std::unique_ptr<outbound_call>> outbound_;
    std::size_t waiting_calls_ = 0;
    std::uint64_t next_number_ = 0;
    struct ping_wait {
        std::uint64_t number;
        std::uint64_t sent_ns;
        ping_fn done;
    };
    std::vector<ping_wait> pings_;
    std::uint64_t next_ping_ = 0;
    std::vector<std::uint64_t> new_pings_;
    bool session_expected_ = false;
    bool session_told_ = false;  // the session was told to reconnect
    bool told_ = false;
    std::atomic<bool> woken_{false};
    std::atomic<bool> retry_wanted_{false};
    std::atomic<std::int64_t> last_call_ns_{0};  // when a call came or was answered, once the instance retires
};

}  // namespace sigrun::websocket

/// What the host holds: a live way to a peer.
struct sigrun_link {
    std::shared_ptr<sigrun::websocket::connection> connection;

    sigrun_result send(const sigrun_frame& frame);
    sigrun_result ping(sigrun_op op);
    sigrun_result call(const sigrun_call& request, const sigrun_sink& replies, sigrun_op op);
    void close(sigrun_result why, sigrun_op op);
};
