#include "kernel/link/endpoint_uri.hpp"

#include "kernel/net/url_security.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::string_view k_encrypted = "tls://";

}  // namespace

bool endpoint_names_protocol(std::string_view endpoint) noexcept {
    return !endpoint.starts_with(k_encrypted) && endpoint.find("://") != std::string_view::npos;
}

std::string_view endpoint_address(std::string_view endpoint) noexcept {
    return endpoint.starts_with(k_encrypted) ? endpoint.substr(k_encrypted.size()) : endpoint;
}

std::string endpoint_over(std::string_view endpoint, std::string_view schemes) {
    if (endpoint_names_protocol(endpoint)) return std::string(endpoint);
    const bool encrypted = endpoint.starts_with(k_encrypted);
    while (!schemes.empty()) {
        const auto one = schemes.substr(0, schemes.find(','));
        schemes.remove_prefix(std::min(schemes.size(), one.size() + 1));
        if (!one.empty() && is_encrypted_scheme(one) == encrypted && !one.ends_with("+unix"))
            return std::string(one) + "://" + std::string(endpoint_address(endpoint));
    }
    return {};
}

}  // namespace sigrun
