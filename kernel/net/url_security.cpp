#include "kernel/net/url_security.hpp"

#include "kernel/net/socket_address.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 4> k_encrypted{"https", "wss", "grpcs", "valkyries"};

}  // namespace

bool is_encrypted_scheme(std::string_view scheme) noexcept {
    return scheme.find("tls") != std::string_view::npos ||
           std::find(k_encrypted.begin(), k_encrypted.end(), scheme) != k_encrypted.end();
}

bool may_carry_secrets(std::string_view url) noexcept {
    const auto colon = url.find("://");
    const auto scheme = url.substr(0, colon);
    if (is_encrypted_scheme(scheme) || scheme.ends_with("+unix")) return true;
    auto host = colon == std::string_view::npos ? url : url.substr(colon + 3);
    host = host.substr(0, host.find_first_of("/?#"));
    if (!host.empty() && host.front() == '[')
        host = host.substr(1, host.find(']') == std::string_view::npos ? host.size() : host.find(']') - 1);
    else
        host = host.substr(0, host.find(':'));
    if (host == "localhost") return true;
    net_address where;
    where.host = host;
    const auto numeric = numeric_address(where);
    return numeric.size && numeric.is_loopback();
}

}  // namespace sigrun
