// A place a socket can be connected to, and the text that names one. Pure.
#pragma once

#include "kernel/base/result.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
    /// 127.0.0.0/8, ::1, also as ::ffff:127.x, and UNIX sockets.
    bool is_loopback() const noexcept;
    /// "192.0.2.1:443", "[2001:db8::1]:443", "unix".
    std::string text() const;
};

/// "name:port", "192.0.2.1:port", "[2001:db8::1]:port" or "unix:/path", taken apart.
struct net_address {
    std::string host;  // without brackets; empty for a UNIX socket
    std::uint16_t port = 0;
    std::string path;

    /// As it was written, for messages and the CONNECT of a proxy.
    std::string text() const;
};

result<net_address> parse_net_address(std::string_view text);

/// The socket address of a UNIX path or of a numeric host; size 0: the host is a name.
socket_address numeric_address(const net_address& where);

/// RFC 8305, 4: the families take turns, beginning with that of the first.
std::vector<socket_address> interleave(const std::vector<socket_address>& found);

}  // namespace sigrun
