#include "dial/endpoint.hpp"

#include "wire/message.hpp"

#include <sigrun/cpp/endpoint_options.hpp>
#include <sigrun/cpp/utf8.hpp>

#include <charconv>

namespace sigrun::websocket {
namespace {

constexpr std::string_view k_plain = "ws://";
constexpr std::string_view k_secure = "wss://";
constexpr std::string_view k_unix = "ws+unix://";
constexpr std::size_t k_longest_path = 107;
constexpr std::size_t k_longest_host = 255;

bool visible(std::string_view text, std::string_view but) {
    for (char c : text)
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
            but.find(c) != std::string_view::npos)
            return false;
    return true;
}

[[noreturn]] void refuse(std::string_view expected, std::string_view uri) {
    throw sdk::failure(SIGRUN_E_INVALID,
                       sdk::concat("endpoint: expected ", expected, ", found \"", sdk::shown(uri), "\""));
}

/// Adds the port of the scheme to an authority without one, after a look at both.
std::string with_port(std::string_view authority, std::string_view usual, std::string_view uri) {
    auto name = authority;
    std::string_view port;
    if (!authority.empty() && authority.front() == '[') {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) refuse("an IPv6 address in brackets", uri);
        name = authority.substr(0, end + 1);
    } else {
        name = authority.substr(0, authority.find(':'));
    }
    port = authority.substr(name.size());
    if (name.empty() || name.size() > k_longest_host || !visible(name, "@/?#")) refuse("a host name or address", uri);
    if (port.empty()) return sdk::concat(name, ":", usual);
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (port.front() != ':' || error != std::errc() || end != port.data() + port.size() || number == 0)
        refuse("a port from 1 to 65535", uri);
    return std::string(authority);
}

/// Keys auth, token, username, password, header_name, header_value; "tls" is the host's.
std::string read_options(std::string_view text) {
    sdk::endpoint_options options(text);
    auto headers = sdk::credentials_header(options);
    options.finish();
    return headers;
}

}  // namespace

endpoint parse_endpoint(std::string_view uri, std::string_view options) {
    endpoint out;
    out.options = options;
    out.headers = read_options(options);
    if (uri.substr(0, k_unix.size()) == k_unix) {
        const auto path = uri.substr(k_unix.size());
        if (path.size() < 2 || path.front() != '/' || path.size() > k_longest_path || path.find('\0') != path.npos)
            refuse("ws+unix:// with an absolute path of at most 107 bytes", uri);
        out.address = sdk::concat("unix:", path);
        out.host = "localhost";
        out.target = k_path;
        return out;
    }
    out.tls = uri.substr(0, k_secure.size()) == k_secure;
    const auto scheme = out.tls ? k_secure : k_plain;
    if (uri.substr(0, scheme.size()) != scheme) refuse("ws://host:port, wss://host:port or ws+unix:///path", uri);
    auto rest = uri.substr(scheme.size());
    const auto authority = rest.substr(0, rest.find('/'));
    auto base = rest.substr(authority.size());
    while (!base.empty() && base.back() == '/') base.remove_suffix(1);
    if (!visible(base, "?#")) refuse("a path of visible ASCII characters without query", uri);
    out.address = with_port(authority, out.tls ? "443" : "80", uri);
    out.host = authority;
    out.target = sdk::concat(base, k_path);
    return out;
}

}  // namespace sigrun::websocket
