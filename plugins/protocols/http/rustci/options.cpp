#include "rustci/options.hpp"

#include "dial/endpoint_options.hpp"
#include "version.hpp"

namespace sigrun::http::rustci {

options read_options(std::string_view json) {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    endpoint_options read(json);
    options out;
    out.credentials = credentials_header(read);
    out.user_agent = read.text("user_agent", k_server);
    out.request_timeout = read.duration("request_timeout", seconds(30));
    out.connect_timeout = read.duration("connect_timeout", seconds(10));
    out.retry_delay = read.duration("retry_delay", milliseconds(500));
    out.poll_first = read.duration("poll_first", milliseconds(250));
    out.poll_max = read.duration("poll_max", seconds(5));
    out.submit_retries = static_cast<int>(read.integer("submit_retries", 3, 0, 100));
    out.send_steps = read.boolean("send_steps", true);
    out.max_request = read.size("max_request", std::size_t{1} << 20, std::size_t{1} << 30);
    out.max_reply = read.size("max_reply", std::size_t{16} << 20, std::size_t{1} << 30);
    const auto payload = read.choice("payload", "json", {"json", "script", "empty"});
    if (payload == "script") out.payload = payload_form::script;
    if (payload == "empty") out.payload = payload_form::empty;
    const auto cancel = read.choice("cancel", "none", {"none", "delete", "post"});
    if (cancel == "delete") out.cancel = cancel_form::remove;
    if (cancel == "post") out.cancel = cancel_form::post;
    read.finish();
    return out;
}

}  // namespace sigrun::http::rustci
