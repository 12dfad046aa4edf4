// Keys as written in a requirement, "gpu[0].memory_bytes", "label.zone", "g.model": where the value is found.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/select/expression.hpp"

#include <span>
#include <string>
#include <string_view>

namespace sigrun::expr {

/// `variables` are the names of the enclosing any, all and count, outermost first. The lexer has checked the
/// form.
result<path> read_path(std::string_view written, std::span<const std::string> variables);

}  // namespace sigrun::expr
