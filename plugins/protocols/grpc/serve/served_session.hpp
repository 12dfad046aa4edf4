// The accepting end of Sessions.Open: a call to the host and, if a reply grants a link, the session.
#pragma once

#include "serve/accepted.hpp"
#include "serve/host_call.hpp"
#include "session/session.hpp"

namespace sigrun::grpc {

class served_session final : public session_stream {
public:
    served_session(std::shared_ptr<accepted> on, request_head head);

    void on_headers(const fields&, bool) override;
    void on_remote_end() override;
    void on_malformed(const status& why) override;
    void on_room() override;
    void on_retire() override;
    std::uint64_t deadline() const noexcept override;
    void on_deadline(std::uint64_t now) override;

protected:
    void on_call(v1::CallRequest call) override;
    void on_reply(v1::Frame) override {
        fail({code::invalid_argument, "frame.kind: a REPLY comes from the other side", {}});
    }
    bool granted() override;
    void fail(const status& why) override;
    void on_ended(sigrun_result result, const std::string& why) override;

private:
    std::shared_ptr<served_session> self() { return std::static_pointer_cast<served_session>(shared_from_this()); }
    sigrun_result reply(const sigrun_frame& frame);
    sigrun_result queue_reply(const sigrun_frame& frame);
    void refuse_call(std::string_view problem_json);
    void adopt(std::string_view reply_json);
    void say_reconnect();

    accepted& owner_;
    request_head head_;
    bool called_ = false;
    bool asker_done_ = false;  // the peer has ended its side
    bool told_ = false;        // to reconnect; under the mutex
    bool linked_ = false;      // a reply granted a link; under the mutex
    std::shared_ptr<host_call> call_;
};

}  // namespace sigrun::grpc
