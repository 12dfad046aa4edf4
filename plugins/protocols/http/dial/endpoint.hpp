// Where to dial: http://host:port[/base], https://host:port[/base] or http+unix:///path. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigrun::http {

struct endpoint {
    std::string host;  // name or address, without brackets; empty for UNIX sockets
    std::uint16_t port = 0;
    std::string unix_path;  // set: a UNIX socket
    std::string authority;  // value of the Host header
    std::string base;       // path prefix without a slash at its end, "" or "/prefix"
    bool tls = false;

    /// As sigrun_net_target.address.
    std::string address() const;
};

/// Nothing and `why` if the text is no such address.
std::optional<endpoint> parse_endpoint(std::string_view uri, std::string& why);

}  // namespace sigrun::http
