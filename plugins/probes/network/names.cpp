// Name servers, proxy and the machine's full name, from files and the environment. No server is asked.
#include "network_probe.hpp"

#include <arpa/inet.h>

namespace sigrun::network {
namespace {

constexpr std::size_t k_max_servers = 16;

bool is_address(std::string_view text) {
    std::string plain(text.substr(0, text.find('%')));  // fe80::1%eth0
    in6_addr room{};
    return ::inet_pton(AF_INET, plain.c_str(), &room) == 1 || ::inet_pton(AF_INET6, plain.c_str(), &room) == 1;
}

bool name_like(std::string_view text) {
    return !text.empty() && text.size() <= 253 &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == text.npos;
}

/// A name of at least two parts, without a dot at its end.
bool is_full(std::string_view name) {
    const auto dot = name.find('.');
    return name_like(name) && dot != name.npos && dot > 0 && name.back() != '.';
}

void dns(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto file = root.read("/etc/resolv.conf", 64 * 1024);
    const auto servers = name_servers(file.text);
    facts.maybe("net.dns", servers.empty() ? std::nullopt : std::optional(servers), file, {.volatility = "slow"});
}

void proxy(const machine_calls& calls, sdk::fact_writer& facts) {
    if (!calls.environment)
        return facts.none("net.proxy", "absent", {.source = "environment", .detail = "not told by a file"});
    // As curl looks for them; HTTP_PROXY in capitals could come from a request and is nobody's.
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"}) {
        const auto value = calls.environment(name);
        if (value.empty()) continue;
        const std::string source = std::string("environment ") + name;
        const auto shown = proxy_without_secrets(value);
        if (shown) return facts.ok("net.proxy", *shown, {.source = source});
        return facts.none("net.proxy", "error", {.source = source, .detail = "not HOST:PORT or SCHEME://HOST:PORT"});
    }
    facts.none("net.proxy", "absent", {.source = "environment", .detail = "no proxy is set"});
}

void full_name(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto host = root.read("/proc/sys/kernel/hostname", 1024);
    const sdk::fact_info info{.volatility = "slow", .unique = true};
    if (!host || host.trim().empty()) return facts.missing("net.fqdn", host, info, "no host name");
    if (is_full(host.trim())) return facts.maybe("net.fqdn", std::optional(host.trim()), host, info);
    const auto hosts = root.read("/etc/hosts");
    auto from_hosts = info;
    from_hosts.detail = "not known without asking a name server";
    if (const auto found = name_in_hosts(hosts.text, host.trim()))
        return facts.ok("net.fqdn", *found, {.source = hosts.path, .volatility = "slow", .unique = true});
    from_hosts.source = hosts.path;
    facts.none("net.fqdn", sdk::fact_writer::word(hosts ? sdk::read_status::absent : hosts.status), from_hosts);
}

}  // namespace

std::vector<std::string> name_servers(std::string_view text) {
    std::vector<std::string> out;
    std::string_view line;
    while (sdk::next_line(text, line) && out.size() < k_max_servers) {
        if (sdk::next_word(line) != "nameserver") continue;
        if (const auto address = sdk::next_word(line); address.size() <= 64 && is_address(address))
            out.emplace_back(address);
    }
    return out;
}

std::optional<std::string> proxy_without_secrets(std::string_view value) {
    value = sdk::trimmed(value);
    std::string_view scheme;
    if (const auto end = value.find("://"); end != value.npos) {
        scheme = value.substr(0, end + 3);
        value.remove_prefix(end + 3);
    }
    // Up to the last @, since a password may hold anything, also a slash that nobody escaped.
    if (const auto at = value.rfind('@'); at != value.npos) value.remove_prefix(at + 1);
    value = value.substr(0, value.find_first_of("/?#"));
    const auto good = [](std::string_view text, std::string_view more) {
        return std::all_of(text.begin(), text.end(), [&](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   more.find(c) != more.npos;
        });
    };
    if (value.empty() || value.size() > 261 || !good(value, ".-_:[]")) return std::nullopt;
    if (scheme.size() == 3 || scheme.size() > 16 || !good(scheme, "+:/")) return std::nullopt;
    return std::string(scheme) + std::string(value);
}

std::optional<std::string> name_in_hosts(std::string_view text, std::string_view host) {
    std::string_view line;
    while (sdk::next_line(text, line)) {
        const auto parts = sdk::words(line.substr(0, line.find('#')));
        if (parts.size() < 2 || !is_address(parts[0])) continue;
        if (std::find(parts.begin() + 1, parts.end(), host) == parts.end()) continue;
        // The first name of a line is the full one, if any is: "127.0.1.1 build7.example.org build7".
        for (std::size_t i = 1; i < parts.size(); ++i)
            if (is_full(parts[i]) && parts[i].starts_with(host) && parts[i].size() > host.size() &&
                parts[i][host.size()] == '.')
                return std::string(parts[i]);
    }
    return std::nullopt;
}

void read_names(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    dns(root, facts);
    proxy(calls, facts);
    full_name(root, facts);
}

}  // namespace sigrun::network
