// Did a web page send this request? Browsers reach loopback ports for any page a user opens: by a form or fetch of
// another origin (CSRF), or under the page's own name once that name resolves to 127.0.0.1 (DNS rebinding). Nothing
// here asks who the user is. Pure.
#pragma once

#include "serve/problem.hpp"

#include <boost/beast/http/fields.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::http {

/// What a request may call the machine it was sent to.
struct host_rule {
    bool loopback = false;             // accepted on a loopback address: loopback names only
    std::vector<std::string> allowed;  // names, or name:port, that are right there as well
};

struct refused_caller {
    int status;  // 403: another origin; 421: not a name of this machine
    problem why;
};
/// Nothing if the request may go on. Requests without a Host (HTTP/1.0) pass the rule for hosts.
std::optional<refused_caller> check_caller(const boost::beast::http::fields& head, const host_rule& rule);

}  // namespace sigrun::http
