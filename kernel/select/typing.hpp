// Types that are evident from the text alone: literals, counts, lists, and durations against the unit of a
// key.
#pragma once

#include "kernel/select/expression.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sigrun::expr {

struct type_flaw {
    enum class side : std::uint8_t { left, sign, right };
    side where;
    std::string what;
};

/// Checks a comparison or an `in`, and turns its durations into the unit of the key beside them.
std::optional<type_flaw> check_types(expression& e, const node& n);
/// "a number", "a text", ...
std::string_view describe(const expression& e, const operand& o) noexcept;

}  // namespace sigrun::expr
