// One method call through a dialled link: POST /v1/call/{method}, replies as JSON lines. On the link's loop.
#pragma once

#include "dial/client.hpp"
#include "wire/frame_codec.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/host.hpp>

#include <functional>
#include <memory>
#include <string>

namespace sigrun::http {

/// What to call, copied out of a sigrun_call.
struct outgoing_call {
    std::string method;
    std::string params;
    std::string document;
    std::string payload;
    bool has_payload = false;
    std::string headers;  // credentials
    time_point deadline = time_point::max();
};

class native_call : public std::enable_shared_from_this<native_call> {
public:
    /// `opened` gets the token of a session that a reply granted, after that reply was delivered.
    native_call(const sdk::host& host, loop& where, std::shared_ptr<client> through, const sigrun_sink& replies,
                sdk::op done, std::function<void(std::string token)> opened);
    /// `over` runs last.
    void start(const outgoing_call& what, std::function<void()> over);

private:
    bool on_data(int status, std::string& data);
    void pump();
    sigrun_result give(const wire_frame& f);
    void give_problem(std::string_view body, int status);
    void on_done(const client_result& r);

    sdk::host host_;
    std::shared_ptr<client> through_;
    sigrun_sink replies_;
    sdk::op done_;
    std::function<void(std::string)> opened_;
    std::function<void()> over_;
    request_ptr request_;
    asio::steady_timer retry_;
    std::string buffer_;  // bytes of lines not delivered yet
    std::string error_body_;
    std::string broken_;  // why the rest of the answer is not believed
    bool blocked_ = false;
    bool last_given_ = false;
};

}  // namespace sigrun::http
