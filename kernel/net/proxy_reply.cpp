#include "kernel/net/proxy_reply.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::string_view k_version = "HTTP/1.";
constexpr std::string_view k_end = "\r\n\r\n";
constexpr std::size_t k_max_reason = 100;
constexpr std::size_t k_status_at = 9;  // after "HTTP/1.1 "

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

proxy_reply parse_proxy_reply(std::string_view bytes) {
    proxy_reply out;
    const auto seen = std::min(bytes.size(), k_version.size());
    if (bytes.substr(0, seen) != k_version.substr(0, seen)) {
        out.state = proxy_reply::malformed;
        return out;
    }
    const auto end = bytes.substr(0, k_max_proxy_reply).find(k_end);
    if (end == std::string_view::npos) {
        if (bytes.size() >= k_max_proxy_reply) out.state = proxy_reply::malformed;
        return out;
    }
    out.size = end + k_end.size();
    const auto line = bytes.substr(0, bytes.find("\r\n"));
    out.state = proxy_reply::malformed;
    if (line.size() < k_status_at + 3 || !is_digit(line[7]) || line[8] != ' ') return out;
    for (std::size_t i = 0; i < 3; ++i) {
        if (!is_digit(line[k_status_at + i])) return out;
        out.status = out.status * 10 + (line[k_status_at + i] - '0');
    }
    if (line.size() > k_status_at + 3 && line[k_status_at + 3] != ' ') return out;
    if (line.size() > k_status_at + 4)
        for (const char c : line.substr(k_status_at + 4, k_max_reason)) out.reason += c >= ' ' && c <= '~' ? c : '?';
    out.state = proxy_reply::complete;
    return out;
}

}  // namespace sigrun
