// Where to dial: ws://host:port[/base], wss://host:port[/base] or ws+unix:///path, and what is said there. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::websocket {

struct endpoint {
    std::string address;  // as the host's net service takes it: "host:port", "unix:/path"
    std::string host;     // the Host header
    std::string target;   // the base path, if any, and /v1/session
    bool tls = false;
    std::string headers;  // complete lines: credentials
    std::string options;  // as they were given; the host reads its member "tls"
};

/// Throws sdk::failure (E_INVALID, E_CONFIG) with a text that names what was expected and what was found.
endpoint parse_endpoint(std::string_view uri, std::string_view options);

}  // namespace sigrun::websocket
