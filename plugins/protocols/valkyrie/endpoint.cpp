#include "endpoint.hpp"

#include <sigrun/cpp/error.hpp>

#include <sys/un.h>

#include <charconv>

namespace sigrun::valkyrie {

namespace {
constexpr std::string_view k_tcp = "valkyrie://";
constexpr std::string_view k_tls = "valkyrie+tls://";
constexpr std::string_view k_unix = "valkyrie+unix://";

[[noreturn]] void refuse(std::string_view what, std::string_view expected, std::string_view found) {
    throw sdk::failure(SIGRUN_E_INVALID, sdk::concat(what, ": expected ", expected, ", found '", found, "'"));
}

std::uint16_t parse_port(std::string_view text) {
    std::uint16_t port = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0)
        refuse("endpoint port", "a number from 1 to 65535", text);
    return port;
}
}  // namespace

endpoint parse_endpoint(std::string_view uri) {
    endpoint out;
    if (uri.find('\0') != uri.npos) refuse("endpoint", "text without NUL", "a NUL byte");
    if (uri.substr(0, k_unix.size()) == k_unix) {
        out.path = uri.substr(k_unix.size());
        if (out.path.empty() || out.path[0] != '/') refuse("endpoint path", "an absolute path", out.path);
        if (out.path.size() >= sizeof(sockaddr_un::sun_path))
            refuse("endpoint path", "at most 107 characters", out.path);
        return out;
    }
    out.tls = uri.substr(0, k_tls.size()) == k_tls;
    if (!out.tls && uri.substr(0, k_tcp.size()) != k_tcp)
        refuse("endpoint", "valkyrie://host:port, valkyrie+tls://host:port or valkyrie+unix:///path", uri);
    auto rest = uri.substr(out.tls ? k_tls.size() : k_tcp.size());
    if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
    std::string_view port;
    if (!rest.empty() && rest[0] == '[') {
        auto close = rest.find(']');
        if (close == rest.npos) refuse("endpoint host", "']' after '['", rest);
        out.host = rest.substr(1, close - 1);
        auto after = rest.substr(close + 1);
        if (!after.empty() && after[0] != ':') refuse("endpoint port", "':' after ']'", after);
        port = after.empty() ? after : after.substr(1);
        if (!after.empty() && port.empty()) refuse("endpoint port", "a number from 1 to 65535", port);
    } else {
        auto colon = rest.find(':');
        if (colon != rest.npos && rest.find(':', colon + 1) != rest.npos)
            refuse("endpoint host", "an IPv6 address in brackets", rest);
        out.host = rest.substr(0, colon);
        if (colon != rest.npos) {
            port = rest.substr(colon + 1);
            if (port.empty()) refuse("endpoint port", "a number from 1 to 65535", port);
        }
    }
    if (out.host.empty() || out.host.find_first_of("/?#@ ") != out.host.npos)
        refuse("endpoint host", "a name or an address", rest);
    out.port = port.empty() ? k_default_port : parse_port(port);
    return out;
}

std::string endpoint::address() const {
    if (!path.empty()) return sdk::concat("unix:", path);
    const bool six = host.find(':') != std::string::npos;
    return sdk::concat(six ? "[" : "", host, six ? "]:" : ":", port);
}

}  // namespace sigrun::valkyrie
