#include "dial/endpoint.hpp"

#include "wire/problem.hpp"

#include <sigrun/cpp/error.hpp>

#include <boost/json.hpp>

#include <charconv>

namespace sigrun::grpc {

namespace {
constexpr std::string_view k_plain = "grpc://";
constexpr std::string_view k_tls = "grpcs://";
constexpr std::string_view k_unix = "grpc+unix://";
constexpr std::string_view k_default_port = ":7070";

[[noreturn]] void refuse(std::string_view what, std::string_view expected, std::string_view found) {
    throw sdk::failure(SIGRUN_E_INVALID, sdk::concat(what, ": expected ", expected, ", found '", shown(found), "'"));
}

void read_options(std::string_view text, endpoint& out) {
    if (text.empty()) return;
    boost::system::error_code ec;
    const auto value = boost::json::parse(text, ec);
    if (ec || !value.is_object()) refuse("options", "a JSON object", text);
    for (const auto& [key, member] : value.get_object()) {
        if (key == "tls") continue;  // the host's
        if (key != "token") refuse("options", "only the keys token and tls", key);
        const auto token = member.is_string() ? std::string_view(member.get_string()) : std::string_view();
        if (token.empty() ||
            token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=") !=
                std::string_view::npos)
            throw sdk::failure(SIGRUN_E_INVALID, "options.token: expected a bearer token, found something else");
        out.authorization = sdk::concat("Bearer ", token);
    }
}

void check_host(std::string_view host, std::string_view uri) {
    const bool literal = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (host.empty()) refuse("endpoint", "a host", uri);
    if (host.find_first_of("/?#@ ") != std::string_view::npos || (!literal && host.find(':') != std::string_view::npos))
        refuse("endpoint host", "a name or an address, IPv6 in brackets", host);
}
}  // namespace

endpoint parse_endpoint(std::string_view uri, std::string_view options) {
    endpoint out;
    out.options = options;
    read_options(options, out);
    if (uri.find('\0') != uri.npos || !sdk::is_utf8(uri)) refuse("endpoint", "text without NUL", uri);
    if (uri.substr(0, k_unix.size()) == k_unix) {
        const auto path = uri.substr(k_unix.size());
        if (path.size() < 2 || path[0] != '/') refuse("endpoint", "grpc+unix:///absolute/path", uri);
        out.address = sdk::concat("unix:", path);
        out.authority = "localhost";
        return out;
    }
    out.tls = uri.substr(0, k_tls.size()) == k_tls;
    if (!out.tls && uri.substr(0, k_plain.size()) != k_plain)
        refuse("endpoint", "grpc://host:port, grpcs://host:port or grpc+unix:///path", uri);
    auto rest = uri.substr(out.tls ? k_tls.size() : k_plain.size());
    if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos;
    out.address = has_port ? std::string(rest) : sdk::concat(rest, k_default_port);
    check_host(has_port ? rest.substr(0, colon) : rest, uri);
    if (has_port) {
        const auto text = rest.substr(colon + 1);
        unsigned port = 0;
        const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), port);
        if (bad != std::errc() || end != text.data() + text.size() || port == 0 || port > 65535)
            refuse("endpoint port", "a number from 1 to 65535", text);
    }
    out.authority = out.address;
    return out;
}

}  // namespace sigrun::grpc
