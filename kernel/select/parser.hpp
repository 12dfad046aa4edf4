// Tokens of a requirement -> expression, by recursive descent. Grammar: kernel/select/README.md.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/select/expression.hpp"

#include <string_view>

namespace sigrun::expr {

/// The problem names the column and what was expected there.
result<expression> parse(std::string_view text);

}  // namespace sigrun::expr
