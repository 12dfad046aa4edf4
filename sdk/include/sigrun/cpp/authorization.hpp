// sigrun/cpp/authorization.hpp: the Authorization header of an HTTP request as sigrun_call.auth. Pure.
#pragma once

#include <sigrun/cpp/problem.hpp>
#include <sigrun/cpp/utf8.hpp>

#include <strings.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// `given`: the values of all such headers. Only what a peer can prove with a secret: "bearer TOKEN", "basic CREDENTIALS", the
/// scheme in lower case; "uid N" is how the kernel is told of a UNIX peer. Nothing and "" without a header.
inline std::optional<problem> read_authorization(const std::vector<std::string_view>& given, std::string& auth) {
    auth.clear();
    if (given.empty()) return std::nullopt;
    const auto value = given.front();
    const auto space = value.find(' ');
    const auto scheme = value.substr(0, space);
    const auto secret = space == std::string_view::npos ? std::string_view() : value.substr(space + 1);
    for (const std::string_view known : {"bearer", "basic"})
        if (given.size() == 1 && scheme.size() == known.size() &&
            strncasecmp(scheme.data(), known.data(), known.size()) == 0 && !secret.empty()) {
            auth = concat(known, " ", secret);
            return std::nullopt;
        }
    const auto found = given.size() > 1 ? std::string("several headers")
                       : secret.empty() ? std::string("one word")  // maybe the secret itself
                       : scheme.empty() ? std::string("no scheme")
                                        : shown(scheme);
    return problem{"unauthenticated", "unknown kind of credentials", "Authorization",
                   "Bearer TOKEN or Basic CREDENTIALS", found};
}

}  // namespace sigrun::sdk
