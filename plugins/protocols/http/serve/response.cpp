#include "serve/response.hpp"

#include "version.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/beast/http/status.hpp>

#include <charconv>

namespace sigrun::http {

void append_head(std::string& out, const response_head& head) {
    const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(head.status));
    out += sdk::concat("HTTP/1.1 ", head.status, " ", std::string_view(reason.data(), reason.size()),
                       "\r\nServer: ", k_server, "\r\nDate: ", head.date, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (head.extra.find("Cache-Control: ") == std::string_view::npos) out += "Cache-Control: no-store\r\n";
    // nginx would hold a stream back until it has a buffer full of it.
    if (head.how != framing::length) out += "X-Accel-Buffering: no\r\n";
    if (!head.type.empty()) out += sdk::concat("Content-Type: ", head.type, "\r\n");
    if (!head.request_id.empty()) out += sdk::concat("X-Request-Id: ", head.request_id, "\r\n");
    out += head.extra;
    if (head.how == framing::chunked) {
        out += "Transfer-Encoding: chunked\r\n";
    } else if (head.how == framing::length && head.status != 204 && head.status != 304) {
        out += sdk::concat("Content-Length: ", head.length, "\r\n");
    }
    if (!head.keep_alive || head.how == framing::until_close) {
        out += "Connection: close\r\n";
    } else if (head.http10) {
        out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
    if (data.empty()) return;
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, data.size(), 16).ptr;
    out.append(digits, end);
    out += "\r\n";
    out += data;
    out += "\r\n";
}

}  // namespace sigrun::http
