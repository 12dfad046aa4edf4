#include "dial/endpoint.hpp"

#include <sigrun/cpp/text.hpp>

#include <charconv>

namespace sigrun::http {
namespace {

constexpr std::string_view k_http = "http://";
constexpr std::string_view k_https = "https://";
constexpr std::string_view k_unix = "http+unix://";

bool plain_host(std::string_view text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '@' || c == '/' ||
            c == '?' || c == '#')
            return false;
    return !text.empty() && text.size() <= 255;
}

std::optional<endpoint> fail(std::string& why, std::string_view expected, std::string_view found) {
    why = sdk::concat("endpoint: expected ", expected, ", found \"", found.substr(0, 200), "\"");
    return std::nullopt;
}

}  // namespace

std::optional<endpoint> parse_endpoint(std::string_view uri, std::string& why) {
    endpoint out;
    if (uri.substr(0, k_unix.size()) == k_unix) {
        out.unix_path = uri.substr(k_unix.size());
        out.authority = "localhost";
        if (out.unix_path.size() < 2 || out.unix_path[0] != '/' || out.unix_path.size() > 107 ||
            out.unix_path.find('\0') != std::string::npos)
            return fail(why, "http+unix:// with an absolute path of at most 107 bytes", uri);
        return out;
    }
    out.tls = uri.substr(0, k_https.size()) == k_https;
    if (!out.tls && uri.substr(0, k_http.size()) != k_http)
        return fail(why, "http://host:port, https://host:port or http+unix:///path", uri);
    auto rest = uri.substr(out.tls ? k_https.size() : k_http.size());
    const auto slash = rest.find('/');
    auto authority = rest.substr(0, slash);
    if (slash != std::string_view::npos) {
        auto base = rest.substr(slash);
        while (!base.empty() && base.back() == '/') base.remove_suffix(1);
        for (char c : base)
            if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '?' || c == '#')
                return fail(why, "a path of visible ASCII characters without query", uri);
        out.base = base;
    }
    out.authority = authority;
    std::string_view port = out.tls ? "443" : "80";
    if (!authority.empty() && authority[0] == '[') {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) return fail(why, "an IPv6 address in brackets", uri);
        out.host = authority.substr(1, end - 1);
        authority.remove_prefix(end + 1);
        if (!authority.empty() && authority[0] != ':') return fail(why, "a port after the brackets", uri);
        if (!authority.empty()) port = authority.substr(1);
    } else {
        const auto colon = authority.find(':');
        out.host = authority.substr(0, colon);
        if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    }
    if (!plain_host(out.host)) return fail(why, "a host name or address", uri);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc() || end != port.data() + port.size() || out.port == 0)
        return fail(why, "a port from 1 to 65535", uri);
    return out;
}

std::string endpoint::address() const {
    if (!unix_path.empty()) return sdk::concat("unix:", unix_path);
    const bool six = host.find(':') != std::string::npos;
    return sdk::concat(six ? "[" : "", host, six ? "]:" : ":", port);
}

}  // namespace sigrun::http
