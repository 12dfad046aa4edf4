// grpc.health.v1.Health. The service "" is the daemon as a whole (the kernel's health.ready); the services of this plugin
// serve as soon as they answer.
#pragma once

#include "serve/accepted.hpp"
#include "serve/host_call.hpp"

namespace sigrun::grpc {

class health_call final : public stream {
public:
    health_call(std::shared_ptr<accepted> on, request_head head);

    void on_headers(const fields&, bool) override {}
    void on_message(std::string message) override;
    void on_remote_end() override;
    void on_malformed(const status& why) override;
    void on_closed(sigrun_result, const std::string&) override;
    std::uint64_t deadline() const noexcept override;
    void on_deadline(std::uint64_t now) override;
    void on_retire() override;

private:
    void ask();
    sigrun_result reply(const sigrun_frame& frame);
    void tell(int serving);
    void settle(const status& how);

    accepted& owner_;
    request_head head_;
    const bool watches_;
    std::string service_;
    bool has_request_ = false;
    int told_ = -1;             // the last status of a Watch; under the mutex
    std::uint64_t ask_at_ = 0;  // a Watch looks again
    std::shared_ptr<host_call> call_;
};

}  // namespace sigrun::grpc
