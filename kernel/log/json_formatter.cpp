#include "kernel/log/json_formatter.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/base/json_writer.hpp"
#include "kernel/log/level_text.hpp"

namespace sigrun {

void json_formatter::format(const Poco::Message& message, std::string& line) {
    json_writer w(line);
    std::string_view text = message.getText();
    w.open_object().member("time", to_rfc3339(message.getTime().epochMicroseconds() * 1000));
    w.member("level", level_text(message.getPriority())).member("source", message.getSource());
    // As the router writes it: "request ID: ...".
    constexpr std::string_view k_request = "request ";
    if (text.starts_with(k_request))
        if (const auto end = text.find(": "); end != std::string_view::npos && text.find(' ', k_request.size()) > end) {
            w.member("request", text.substr(k_request.size(), end - k_request.size()));
            text.remove_prefix(end + 2);
        }
    w.member("text", text).close_object();
}

}  // namespace sigrun
