// Which proxy a connection goes through: [net] proxy, the environment, and who is left out. Pure.
#pragma once

#include "kernel/net/socket_address.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct proxy_server {
    net_address where;
    std::string authorization;  // value of Proxy-Authorization, a secret; empty = none
};

/// "http://[user:password@]host[:port]"; a problem shows no password.
result<proxy_server> parse_proxy(std::string_view url, const std::string& field);

class proxy_rules {
public:
    /// Value of an environment variable; null if it is not set.
    using environment = std::function<const char*(const char* name)>;

    proxy_rules() = default;  // no proxy at all
    /// `setting`: "none", "auto" (the environment) or a URL. `exceptions`: like NO_PROXY, which "auto" reads as well.
    static result<proxy_rules> make(const std::string& setting, const std::vector<std::string>& exceptions,
                                    const environment& env);
    /// The proxy for this target, or none. Never one for this machine itself. A problem: the environment names a proxy that
    /// cannot be used; going without it might be what the operator does not want.
    result<std::optional<proxy_server>> proxy_for(const net_address& target, bool encrypted) const;

private:
    bool is_exception(const net_address& target) const;

    struct choice {
        std::string url, field;
    };
    std::optional<choice> encrypted_, any_;
    std::vector<std::string> exceptions_;
};

/// One entry of NO_PROXY: "*", "name", ".domain", "192.0.2.0/24", "[2001:db8::1]", each with an optional ":port".
bool matches_no_proxy(std::string_view entry, const net_address& target);

}  // namespace sigrun
