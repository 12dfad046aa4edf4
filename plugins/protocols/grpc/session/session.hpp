// A stream of Sessions.Open, the same from both ends once it is a session.
#pragma once

#include "h2/stream.hpp"
#include "session/inbox.hpp"

#include <vector>

namespace sigrun::grpc {

class session_stream : public stream {
public:
    explicit session_stream(std::shared_ptr<connection> on);

    // ---- [any]
    sigrun_result send_frame(const sigrun_frame& frame);
    sigrun_result ping_peer(sigrun_op op);

    // ---- [loop]
    /// The sink of the link this stream is.
    void open_session(const sigrun_sink& sink);
    /// The host closed the link: the peer gets its BYE, then the stream ends.
    void close_session(const std::string& why);

    void on_message(std::string message) override;
    void on_closed(sigrun_result result, const std::string& why) override;
    std::uint64_t deadline() const noexcept override { return retry_at_; }
    void on_deadline(std::uint64_t now) override;
    void retry() override;
    bool is_session() const noexcept override { return inbox_.is_wanted(); }

protected:
    /// A `call`, which only the side that opened the stream may send.
    virtual void on_call(v1::CallRequest call) = 0;
    /// A REPLY, before there is a session.
    virtual void on_reply(v1::Frame reply) = 0;
    /// A reply that grants a link was queued, perhaps by another thread: frames may come.
    virtual bool granted() = 0;
    /// The peer broke the protocol of the session.
    virtual void fail(const status& why) = 0;
    /// The end, after the sink was told.
    virtual void on_ended(sigrun_result result, const std::string& why) = 0;

    /// With the connection's mutex held. E_CANCELLED: the stream has ended.
    sigrun_result queue_frame(const sigrun_frame& frame, std::string_view payload);
    inbox& in() noexcept { return inbox_; }

private:
    void settle(const std::optional<std::string>& bad);

    inbox inbox_;
    std::uint64_t retry_at_ = 0;
    bool retry_wanted_ = false;  // under the mutex
    struct waiting_ping {
        std::uint64_t id;
        std::uint64_t sent;
        sdk::op op;
    };
    std::vector<waiting_ping> pings_;  // under the mutex
    std::uint64_t next_ping_ = 0;
};

}  // namespace sigrun::grpc
