// What a proxy answers to CONNECT. Pure; bytes from outside.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun {

inline constexpr std::size_t k_max_proxy_reply = 16 * 1024;

struct proxy_reply {
    enum { need_more, complete, malformed } state = need_more;
    std::size_t size = 0;  // of the complete head: what follows belongs to the tunnel
    int status = 0;
    std::string reason;  // printable, at most 100 characters
};

proxy_reply parse_proxy_reply(std::string_view bytes);

}  // namespace sigrun
