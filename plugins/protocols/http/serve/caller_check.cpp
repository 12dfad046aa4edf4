#include "serve/caller_check.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace sigrun::http {
namespace {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

std::string_view sv(beast::string_view s) { return {s.data(), s.size()}; }

bool same(std::string_view a, std::string_view b) { return beast::iequals({a.data(), a.size()}, {b.data(), b.size()}); }

/// "name:port" or "[address]:port"; the port may be missing.
struct authority {
    std::string_view name;  // without brackets
    std::string_view port;
};
std::optional<authority> split(std::string_view text) {
    authority out;
    if (!text.empty() && text.front() == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        out.name = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
    } else {
        out.name = text.substr(0, text.find(':'));
        text.remove_prefix(out.name.size());
    }
    if (!text.empty() && text.front() != ':') return std::nullopt;
    if (!text.empty()) out.port = text.substr(1);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (out.name.empty() || !std::all_of(out.port.begin(), out.port.end(), digit)) return std::nullopt;
    return out;
}

bool is_loopback(std::string_view name) {
    if (same(name, "localhost")) return true;
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(std::string(name), ec);  // so "127.evil.example" is none
    if (ec) return false;
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
    return address.is_loopback();
}

bool is_name_of_this_machine(std::string_view host, const host_rule& rule) {
    const auto asked = split(host);
    if (!asked) return false;
    return is_loopback(asked->name) ||
           std::any_of(rule.allowed.begin(), rule.allowed.end(),
                       [&](std::string_view name) { return same(name, host) || same(name, asked->name); });
}

/// An origin is scheme://name[:port]; a port left out is the scheme's, on both sides.
bool is_origin_of(std::string_view origin, std::string_view host) {
    const auto scheme = origin.substr(0, origin.find("://"));
    if (scheme.size() == origin.size()) return false;  // "null" too
    const std::string_view usual = same(scheme, "http") ? "80" : same(scheme, "https") ? "443" : "";
    const auto from = split(origin.substr(scheme.size() + 3));
    const auto to = split(host);
    if (usual.empty() || !from || !to) return false;
    return same(from->name, to->name) &&
           (from->port.empty() ? usual : from->port) == (to->port.empty() ? usual : to->port);
}

}  // namespace

std::optional<refused_caller> check_caller(const bhttp::fields& head, const host_rule& rule) {
    const auto host = head.find(bhttp::field::host);
    if (rule.loopback && host != head.end() && !is_name_of_this_machine(sv(host->value()), rule))
        return refused_caller{
            421,
            {"invalid", "this is not a name of this machine", "Host",
             "localhost, a loopback address or one of the option allowed_hosts", shown(sv(host->value()))}};
    const auto sites = head.equal_range("Sec-Fetch-Site");
    for (auto it = sites.first; it != sites.second; ++it)
        if (same(sv(it->value()), "cross-site"))
            return refused_caller{403,
                                  {"forbidden", "requests of other web sites are refused", "Sec-Fetch-Site",
                                   "same-origin, same-site or none", "cross-site"}};
    const auto origins = head.equal_range(bhttp::field::origin);
    for (auto it = origins.first; it != origins.second; ++it) {
        const auto to = host == head.end() ? std::string_view() : sv(host->value());
        if (!is_origin_of(sv(it->value()), to))
            return refused_caller{403,
                                  {"forbidden", "requests of other web sites are refused", "Origin",
                                   "no Origin, or http://" + shown(to), shown(sv(it->value()))}};
    }
    return std::nullopt;
}

}  // namespace sigrun::http
