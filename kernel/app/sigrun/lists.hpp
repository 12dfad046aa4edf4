// Whole lists over as many pages as they have, and the names near one that is not there.
#pragma once

#include "kernel/app/sigrun/context.hpp"
#include "kernel/base/json.hpp"

#include <string_view>

namespace sigrun::cli {

/// {"items": [...]} of a list method.
json::object list_all(context& ctx, std::string_view method, json::object params);
/// The failure to throw for an unknown `name`: the daemon's problem with the nearest names of `method`'s
/// items as hint.
failure not_found_among(context& ctx, const problem& what, const std::string& name, std::string_view noun,
                        std::string_view method, std::string_view member);

}  // namespace sigrun::cli
