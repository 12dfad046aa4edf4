// The dialled end of a native link over HTTP: method calls, and after one of them granted a session, frames
// by long poll and posts. Link operations are [any]; everything else on its loop. Owned by itself until
// closed.
#pragma once

#include "dial/client.hpp"
#include "link.hpp"
#include "wire/outbox.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace sigrun::http {

class native_link : public sigrun_link, public ticking, public std::enable_shared_from_this<native_link> {
public:
    native_link(const sdk::host& host, loop& where, client_settings settings, std::string credentials,
                std::chrono::nanoseconds session_timeout, const sigrun_sink& frames);
    /// [any] Checks that a Sigrun daemon answers, then completes the op.
    void open(sigrun_op op);

    void tick(time_point now) override;
    void shut() override;

    sigrun_result execute(const sigrun_frame& offer) override;
    sigrun_result cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) override;
    sigrun_result ping(sigrun_op op) override;
    sigrun_result send(const sigrun_frame& frame) override;
    sigrun_result call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op) override;
    void close(sigrun_result why, sigrun_op op) override;

private:
    request_ptr request(std::string_view verb, std::string target, std::chrono::nanoseconds limit,
                        std::function<void(const client_result&)> then);
    void on_version(const client_result& r, sdk::op& op);
    sigrun_result queue(wire_frame frame);
    void session_opened(std::string token);
    void poll();
    void on_poll(const client_result& r);
    bool was_cut_short(const client_result& r);
    bool read_answer(std::string_view body, std::vector<wire_frame>& frames, mismatch& why);
    void deliver();
    void post();
    void on_post(const client_result& r);
    bool contact_failed(const client_result& r, asio::steady_timer& timer, std::chrono::milliseconds& pause,
                        void (native_link::*again)());
    void lost(std::string_view reason);
    void end_session();
    void leave();

    sdk::host host_;
    loop& loop_;
    std::shared_ptr<client> client_;
    std::string credentials_;
    std::chrono::nanoseconds session_timeout_;
    sigrun_sink frames_;
    outbox out_;
    std::atomic<bool> has_session_{false};
    std::atomic<bool> woken_{false};

    std::string token_;
    std::uint64_t in_seq_ = 0;
    std::deque<wire_frame> in_;
    bool polling_ = false;
    std::chrono::milliseconds poll_wait_;
    bool posting_ = false;
    bool has_posted_ = false;
    bool exchanges_ = true;      // the peer takes frames along with a poll
    std::uint64_t carried_ = 0;  // the last frame that the poll on its way has taken along; 0 = it is a plain one
    bool delivering_ = false;
    bool opened_ = false;
    bool silent_ = false;  // the host closed it, or its end was told
    bool closing_ = false;
    bool left_ = false;
    time_point last_contact_;
    time_point refused_since_{};  // connections, without one that worked since
    time_point close_until_;
    std::size_t calls_ = 0;
    asio::steady_timer poll_timer_;
    asio::steady_timer post_timer_;
    asio::steady_timer deliver_timer_;
    std::chrono::milliseconds poll_pause_{0};
    std::chrono::milliseconds post_pause_{0};
    sdk::op close_op_;
    std::shared_ptr<native_link> self_;
};

}  // namespace sigrun::http
