#include "kernel/net/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::string_view k_unix = "unix:";
constexpr std::size_t k_max_name = 255;

result<net_address> parse_unix(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.size() >= sizeof(sockaddr_un::sun_path) ||
        path.find('\0') != std::string_view::npos)
        return bad_value("address", "unix: with an absolute path of at most 107 bytes",
                         "\"unix:" + std::string(path.substr(0, 200)) + "\"");
    net_address out;
    out.path = path;
    return out;
}

bool is_host(std::string_view text, bool bracketed) {
    if (text.empty() || text.size() > k_max_name) return false;
    return std::all_of(text.begin(), text.end(), [bracketed](char c) {
        const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return letter || c == '.' || c == '-' || c == '_' || (bracketed && (c == ':' || c == '%'));
    });
}

}  // namespace

bool socket_address::is_loopback() const noexcept {
    if (family() == AF_UNIX) return true;
    if (family() == AF_INET)
        return (ntohl(reinterpret_cast<const sockaddr_in&>(storage).sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    if (family() != AF_INET6) return false;
    const auto& a = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&a) || (IN6_IS_ADDR_V4MAPPED(&a) && a.s6_addr[12] == IN_LOOPBACKNET);
}

std::string socket_address::text() const {
    char room[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
        inet_ntop(AF_INET, &in.sin_addr, room, sizeof room);
        return std::string(room) + ":" + std::to_string(ntohs(in.sin_port));
    }
    if (family() == AF_INET6) {
        const auto& in = reinterpret_cast<const sockaddr_in6&>(storage);
        inet_ntop(AF_INET6, &in.sin6_addr, room, sizeof room);
        return "[" + std::string(room) + "]:" + std::to_string(ntohs(in.sin6_port));
    }
    return "unix";
}

std::string net_address::text() const {
    if (!path.empty()) return std::string(k_unix) + path;
    const bool six = host.find(':') != std::string::npos;
    return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

result<net_address> parse_net_address(std::string_view text) {
    if (text.substr(0, k_unix.size()) == k_unix) return parse_unix(text.substr(k_unix.size()));
    auto wrong = [text] {
        return bad_value("address", "HOST:PORT, [IPv6]:PORT or unix:/PATH",
                         "\"" + std::string(text.substr(0, 200)) + "\"");
    };
    net_address out;
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong();
    auto host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc() || end != digits.data() + digits.size() || !out.port || !is_host(host, bracketed))
        return wrong();
    out.host = host;
    in6_addr six{};
    if (bracketed && inet_pton(AF_INET6, out.host.substr(0, out.host.find('%')).c_str(), &six) != 1) return wrong();
    return out;
}

socket_address numeric_address(const net_address& where) {
    socket_address a;
    if (!where.path.empty()) {
        auto& to = reinterpret_cast<sockaddr_un&>(a.storage);
        to.sun_family = AF_UNIX;
        std::memcpy(to.sun_path, where.path.data(), where.path.size());
        a.size = sizeof to;
        return a;
    }
    auto& four = reinterpret_cast<sockaddr_in&>(a.storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(a.storage);
    if (inet_pton(AF_INET, where.host.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(where.port);
        a.size = sizeof four;
    } else if (inet_pton(AF_INET6, where.host.c_str(), &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(where.port);
        a.size = sizeof six;
    } else {
        return {};
    }
    return a;
}

std::vector<socket_address> interleave(const std::vector<socket_address>& found) {
    if (found.empty()) return {};
    std::vector<socket_address> first, other, out;
    for (const auto& each : found) (each.family() == found.front().family() ? first : other).push_back(each);
    for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
        if (i < first.size()) out.push_back(first[i]);
        if (i < other.size()) out.push_back(other[i]);
    }
    return out;
}

}  // namespace sigrun
