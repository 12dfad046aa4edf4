// One attempt on a legacy runner: submitted, asked about when the answer was lost, polled until it ends. On
// its link's loop; owned by the link until its final frame is given.
#pragma once

#include "dial/client.hpp"
#include "rustci/status_reply.hpp"
#include "wire/frame_codec.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <string>

namespace sigrun::http::rustci {

class legacy_link;

class job : public std::enable_shared_from_this<job> {
public:
    /// `about` names the attempt; only its job, number and token are used.
    job(legacy_link& owner, const wire_frame& about, std::string uuid);

    void submit(std::string body);
    /// Answers the offer with an ACK that says no; the job is over.
    void refuse(std::string_view code, std::string_view message);
    /// Finds out whether the runner knows the attempt; `op`: OK or E_NOT_FOUND.
    void attach(std::uint64_t log_offset, sdk::op op);
    void cancel();
    /// The link ends: no frame any more.
    void stop();
    /// The runner is lost: a final STATE that says so.
    void runner_lost(std::string_view why);
    bool accepted() const noexcept { return accepted_; }
    void acknowledge();

private:
    enum class asking { submitted, polling, attaching };

    void post_submit();
    void on_submitted(const client_result& r);
    void retry_submit(const client_result& r, std::string_view why);
    void accept(bool has_ended = false);

    void ask(asking why_asked, std::string target, bool complete, int redirects);
    void on_status(asking why_asked, const client_result& r, int redirects);
    void on_no_status(asking why_asked, const client_result& r);
    void on_bad_status(const std::string& why, const client_result& r);
    void on_good_status(status_reply&& s);
    void schedule_poll();
    void wait(std::chrono::nanoseconds pause, void (job::*then)());
    void poll();
    void ask_again();

    void finish_with(status_reply&& s);
    void fail_infra(std::string_view code, std::string_view message, bool unknown_state);
    void tell(wire_frame f);
    void give_frames();
    bool give_or_wait(const wire_frame& f);
    wire_frame frame(std::uint32_t kind) const;

    legacy_link& owner_;
    std::string job_;
    std::uint32_t number_;
    std::string token_;
    std::string uuid_;
    std::string body_;
    asio::steady_timer timer_;
    asio::steady_timer give_timer_;
    std::deque<wire_frame> untold_;  // frames the host had no room for yet
    int submit_tries_ = 0;
    int asks_ = 0;
    bool accepted_ = false;
    bool running_told_ = false;
    bool cancel_asked_ = false;
    bool over_ = false;
    bool ending_ = false;  // the final frames are being given
    std::chrono::nanoseconds poll_pause_{};
    int forgotten_ = 0;  // 404 in a row after acceptance
    int bad_replies_ = 0;
    time_point first_bad_;
    std::string first_bad_body_;
    sdk::op attach_op_;
    std::uint64_t log_from_ = 0;
    std::string output_;
    std::size_t output_given_ = 0;
    wire_frame final_;
};

}  // namespace sigrun::http::rustci
