// The opening end of Sessions.Open: a call of the host and, if a reply grants a link, the session.
#pragma once

#include "dial/dialled.hpp"
#include "session/session.hpp"

#include <deque>

namespace sigrun::grpc {

class dialled_call final : public session_stream {
public:
    /// `opened`: this stream is the session from now on. `over`: it is gone. Both [loop].
    struct ends {
        std::function<void(const std::shared_ptr<dialled_call>&)> opened;
        std::function<void()> over;
    };
    dialled_call(std::shared_ptr<dialled> on, const sigrun_sink& replies, sdk::op done, std::uint64_t deadline_ns,
                 ends tell);

    /// [loop] Sends the request. The op is completed if that is not possible.
    void start(std::string message, std::string authorization);

    void on_headers(const fields& block, bool end) override;
    void on_malformed(const status& why) override;
    std::uint64_t deadline() const noexcept override;
    void on_deadline(std::uint64_t now) override;
    /// The other side goes: the session's sink hears it once.
    void told_to_go();

protected:
    void on_call(v1::CallRequest) override { fail({code::invalid_argument, "call: comes from this side", {}}); }
    void on_reply(v1::Frame reply) override;
    bool granted() override { return linked_; }
    void fail(const status& why) override;
    void on_ended(sigrun_result result, const std::string& why) override;

private:
    void give_replies();
    bool give(const v1::Frame& reply);
    void give_problem(const status& how);

    dialled& owner_;
    const sigrun_sink replies_;
    sdk::op op_;
    std::uint64_t deadline_ns_;
    ends tell_;
    std::deque<v1::Frame> waiting_;  // the sink was busy
    std::size_t waiting_bytes_ = 0;
    std::uint64_t give_at_ = 0;
    bool linked_ = false;
    bool last_given_ = false;
    status how_;  // what the peer's trailers said
    bool has_status_ = false;
};

}  // namespace sigrun::grpc
