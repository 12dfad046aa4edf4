// Settings of one legacy runner, from the endpoint's options.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace sigrun::http::rustci {

enum class payload_form { json, script, empty };
enum class cancel_form { none, remove, post };

struct options {
    std::string credentials;  // complete header line or ""
    std::string user_agent;
    std::chrono::nanoseconds request_timeout{};
    std::chrono::nanoseconds connect_timeout{};
    std::chrono::nanoseconds retry_delay{};
    std::chrono::nanoseconds poll_first{};
    std::chrono::nanoseconds poll_max{};
    int submit_retries = 3;
    payload_form payload = payload_form::json;
    bool send_steps = true;
    std::size_t max_request = 0;
    std::size_t max_reply = 0;
    cancel_form cancel = cancel_form::none;
};

/// Throws sdk::failure(E_CONFIG) that names key, expected and found.
options read_options(std::string_view json);

}  // namespace sigrun::http::rustci
