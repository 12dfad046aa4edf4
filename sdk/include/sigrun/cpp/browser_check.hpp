// sigrun/cpp/browser_check.hpp: did a web page send this HTTP request? Browsers reach loopback ports for any page a user
// opens: by a form, fetch or WebSocket of another origin (CSRF), or under the page's own name once that name resolves to
// 127.0.0.1 (DNS rebinding). Nothing here asks who the user is. Pure.
#pragma once

#include <sigrun/cpp/problem.hpp>
#include <sigrun/cpp/utf8.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// What a request may call the machine it was sent to.
struct host_rule {
    bool loopback = false;             // accepted on a loopback address: loopback names only
    std::vector<std::string> allowed;  // names, or name:port, that are right there as well
};

/// The headers that tell, as far as they were sent.
struct caller_headers {
    std::optional<std::string_view> host;
    std::vector<std::string_view> origins;
    std::vector<std::string_view> fetch_sites;  // Sec-Fetch-Site
};

struct refused_caller {
    int status;  // 403: another origin; 421: not a name of this machine
    problem why;
};

namespace detail {

inline bool same_word(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// "name:port" or "[address]:port"; the port may be missing.
struct authority {
    std::string_view name;  // without brackets
    std::string_view port;
};
inline std::optional<authority> split_authority(std::string_view text) {
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

inline bool is_loopback(std::string_view name) {
    if (same_word(name, "localhost")) return true;
    const std::string text(name);
    in_addr v4{};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1)  // so "127.evil.example" is none
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    in6_addr v6{};
    if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}

inline bool is_name_of_this_machine(std::string_view host, const host_rule& rule) {
    const auto asked = split_authority(host);
    if (!asked) return false;
    return is_loopback(asked->name) ||
           std::any_of(rule.allowed.begin(), rule.allowed.end(),
                       [&](std::string_view name) { return same_word(name, host) || same_word(name, asked->name); });
}

/// An origin is scheme://name[:port]; a port left out is the scheme's, on both sides.
inline bool is_origin_of(std::string_view origin, std::string_view host) {
    const auto scheme = origin.substr(0, origin.find("://"));
    if (scheme.size() == origin.size()) return false;  // "null" too
    const std::string_view usual = same_word(scheme, "http") ? "80" : same_word(scheme, "https") ? "443" : "";
    const auto from = split_authority(origin.substr(scheme.size() + 3));
    const auto to = split_authority(host);
    if (usual.empty() || !from || !to) return false;
    return same_word(from->name, to->name) &&
           (from->port.empty() ? usual : from->port) == (to->port.empty() ? usual : to->port);
}

}  // namespace detail

/// Nothing if the request may go on. Requests without a Host (HTTP/1.0) pass the rule for hosts.
inline std::optional<refused_caller> check_caller(const caller_headers& head, const host_rule& rule) {
    if (rule.loopback && head.host && !detail::is_name_of_this_machine(*head.host, rule))
        return refused_caller{421,
                              {"invalid", "this is not a name of this machine", "Host",
                               "localhost, a loopback address or one of the option allowed_hosts", shown(*head.host)}};
    for (auto site : head.fetch_sites)
        if (detail::same_word(site, "cross-site"))
            return refused_caller{403,
                                  {"forbidden", "requests of other web sites are refused", "Sec-Fetch-Site",
                                   "same-origin, same-site or none", "cross-site"}};
    const auto to = head.host.value_or(std::string_view());
    for (auto origin : head.origins)
        if (!detail::is_origin_of(origin, to))
            return refused_caller{403,
                                  {"forbidden", "requests of other web sites are refused", "Origin",
                                   "no Origin, or http://" + shown(to), shown(origin)}};
    return std::nullopt;
}

}  // namespace sigrun::sdk
