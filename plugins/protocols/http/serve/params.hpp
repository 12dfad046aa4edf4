// From a request to the params of a method, by the rules of its route. Pure.
#pragma once

#include "serve/problem.hpp"
#include "serve/routes.hpp"
#include "wire/target.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::http {

/// Value of a header by name, or nothing.
using header_lookup = std::function<std::optional<std::string_view>(std::string_view name)>;

/// The params as a JSON object ("" if there are none), or the problem: an unknown query key, a number or
/// boolean that is none, text that is not UTF-8. Of two sources for one param the first in the route's list wins.
std::optional<std::string> form_params(const route_match& match, const target& where, const header_lookup& headers,
                                       problem& why);

}  // namespace sigrun::http
