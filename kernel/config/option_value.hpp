// One value parsed according to its option: type, limits, choices. Pure.
#pragma once

#include "kernel/base/result.hpp"

#include <sigrun/plugin.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// One element: the whole value, or one item of a LIST or REPEATABLE option.
struct option_item {
    std::string text;
    std::int64_t integer = 0;  // INT, BOOL, SIZE (bytes), DURATION (ns)
    double real = 0;           // any number
};

bool is_list(const sigrun_opt& option) noexcept;
/// The items of `text`; none if it is empty. A problem has `expected` and `found`, the caller adds the field.
result<std::vector<option_item>> parse_option(const sigrun_opt& option, std::string_view text);
/// "duration", "list of sizes" ... for documentation.
std::string option_type_name(const sigrun_opt& option);
/// "1 .. 64", "1s .. 1h", "a|b|c", or "".
std::string option_limits(const sigrun_opt& option);

}  // namespace sigrun
