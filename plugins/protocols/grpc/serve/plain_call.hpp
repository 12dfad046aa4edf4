// A call with one request, answered by one message or a stream of them.
#pragma once

#include "serve/accepted.hpp"
#include "serve/host_call.hpp"

namespace sigrun::grpc {

class plain_call final : public stream {
public:
    plain_call(std::shared_ptr<accepted> on, request_head head);

    void on_headers(const fields&, bool) override {}
    void on_message(std::string message) override;
    void on_remote_end() override;
    void on_malformed(const status& why) override;
    void on_closed(sigrun_result result, const std::string& why) override;
    void on_room() override;
    std::uint64_t deadline() const noexcept override { return head_.deadline_ns; }
    void on_deadline(std::uint64_t now) override;

private:
    void begin();
    void settle(const status& how);
    sigrun_result reply(const sigrun_frame& frame);

    accepted& owner_;
    request_head head_;
    std::string request_;
    bool has_request_ = false;
    std::shared_ptr<host_call> call_;
};

}  // namespace sigrun::grpc
