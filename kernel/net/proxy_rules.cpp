#include "kernel/net/proxy_rules.hpp"

#include "kernel/base/base64.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::string_view k_http = "http://";
constexpr std::uint16_t k_default_port = 80;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// An address as 16 bytes, IPv4 mapped; nothing if it is a name.
std::optional<in6_addr> bytes_of(const std::string& host) {
    in6_addr out{};
    in_addr four{};
    if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
        out.s6_addr[10] = out.s6_addr[11] = 0xff;
        std::memcpy(out.s6_addr + 12, &four, sizeof four);
        return out;
    }
    if (inet_pton(AF_INET6, host.c_str(), &out) == 1) return out;
    return {};
}

bool same_network(const in6_addr& a, const in6_addr& b, unsigned bits) {
    const unsigned whole = bits / 8, part = bits % 8;
    if (std::memcmp(a.s6_addr, b.s6_addr, whole) != 0) return false;
    if (!part) return true;
    const auto mask = static_cast<unsigned char>(0xff << (8 - part));
    return ((a.s6_addr[whole] ^ b.s6_addr[whole]) & mask) == 0;
}

bool in_network(std::string_view entry, const in6_addr& address) {
    const auto slash = entry.find('/');
    const std::string base(entry.substr(0, slash));
    const auto network = bytes_of(base);
    if (!network) return false;
    if (slash == std::string_view::npos) return same_network(*network, address, 128);
    const auto digits = entry.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    const bool four = base.find(':') == std::string::npos;
    if (error != std::errc() || end != digits.data() + digits.size() || bits > (four ? 32u : 128u)) return false;
    return same_network(*network, address, four ? bits + 96 : bits);
}

bool is_this_machine(const net_address& target) {
    if (!target.path.empty()) return true;
    const auto name = lower(target.host);
    if (name == "localhost" || name.ends_with(".localhost")) return true;
    const auto numeric = numeric_address(target);
    return numeric.size && numeric.is_loopback();
}

}  // namespace

result<proxy_server> parse_proxy(std::string_view url, const std::string& field) {
    auto wrong = [&](std::string_view found) {
        return bad_value(field, "http://HOST:PORT, with USER:PASSWORD@ in front of HOST if need be",
                         "\"" + std::string(found.substr(0, 200)) + "\"");
    };
    auto rest = url;
    if (lower(rest.substr(0, k_http.size())) == k_http)
        rest.remove_prefix(k_http.size());
    else if (const auto scheme = rest.find("://"); scheme != std::string_view::npos)
        return wrong(std::string(rest.substr(0, scheme)) + "://...");
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) rest = rest.substr(0, slash);
    proxy_server out;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        auto who = percent_decoded(rest.substr(0, at));
        if (who.find(':') == std::string::npos) who += ':';
        out.authorization = "Basic " + to_base64(who);
        rest.remove_prefix(at + 1);
    }
    const auto bracket = rest.rfind(']');
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    auto where =
        parse_net_address(has_port ? std::string(rest) : std::string(rest) + ":" + std::to_string(k_default_port));
    if (!where || !where->path.empty()) return wrong(rest);
    out.where = std::move(*where);
    return out;
}

result<proxy_rules> proxy_rules::make(const std::string& setting, const std::vector<std::string>& exceptions,
                                      const environment& env) {
    proxy_rules out;
    out.exceptions_ = exceptions;
    if (setting == "none") return out;
    if (setting != "auto") {
        SIGRUN_TRY(checked, parse_proxy(setting, "net.proxy"));
        (void)checked;
        out.encrypted_ = out.any_ = choice{setting, "net.proxy"};
        return out;
    }
    auto first_of = [&env](std::initializer_list<const char*> names) -> std::optional<choice> {
        for (const char* each : names)
            if (const char* value = env(each); value && *value) return choice{value, each};
        return {};
    };
    out.encrypted_ = first_of({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
    out.any_ = first_of({"all_proxy", "ALL_PROXY"});
    if (const auto list = first_of({"no_proxy", "NO_PROXY"})) {
        std::string_view rest = list->url;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (const auto one = trimmed(rest.substr(0, comma)); !one.empty()) out.exceptions_.emplace_back(one);
            rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        }
    }
    return out;
}

result<std::optional<proxy_server>> proxy_rules::proxy_for(const net_address& target, bool encrypted) const {
    const auto& chosen = encrypted ? encrypted_ : any_;
    if (!chosen || is_this_machine(target) || is_exception(target)) return std::optional<proxy_server>();
    SIGRUN_TRY(proxy, parse_proxy(chosen->url, chosen->field));
    return std::optional<proxy_server>(std::move(proxy));
}

bool proxy_rules::is_exception(const net_address& target) const {
    return std::any_of(exceptions_.begin(), exceptions_.end(),
                       [&](const std::string& each) { return matches_no_proxy(each, target); });
}

bool matches_no_proxy(std::string_view entry, const net_address& target) {
    entry = trimmed(entry);
    if (entry == "*") return true;
    std::string_view host = entry, port;
    if (!entry.empty() && entry.front() == '[') {
        const auto close = entry.find(']');
        if (close == std::string_view::npos) return false;
        host = entry.substr(1, close - 1);
        const auto after = entry.substr(close + 1);
        if (!after.empty() && after.front() == ':') port = after.substr(1);
    } else if (const auto colon = entry.find(':'); colon != std::string_view::npos && entry.rfind(':') == colon) {
        host = entry.substr(0, colon);
        port = entry.substr(colon + 1);
    }
    if (host.empty() || (!port.empty() && port != std::to_string(target.port))) return false;
    if (const auto address = bytes_of(target.host)) return in_network(host, *address);
    auto domain = lower(host), name = lower(target.host);
    if (domain.starts_with("*.")) domain.erase(0, 1);
    if (domain.front() == '.') return name.ends_with(domain) || name == domain.substr(1);
    return name == domain || name.ends_with("." + domain);
}

}  // namespace sigrun
