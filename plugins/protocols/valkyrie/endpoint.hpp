// Where to dial: "valkyrie://host:port", "valkyrie+tls://host:port", "valkyrie+unix:///path". Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::valkyrie {

struct endpoint {
    std::string host;  // name or numeric address, without brackets; empty for a UNIX socket
    std::uint16_t port = 0;
    std::string path;  // UNIX socket
    bool tls = false;

    /// As sigrun_net_target.address.
    std::string address() const;
};

inline constexpr std::uint16_t k_default_port = 7070;

/// Throws sdk::failure(E_INVALID) that names the part, what was expected and what was found.
endpoint parse_endpoint(std::string_view uri);

}  // namespace sigrun::valkyrie
