// Words of a command as it is written in a file: as a shell splits them, and nothing else of a shell. Pure.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// "'a b' c\ d" -> {"a b", "c d"}: quotes and backslashes as in a shell; no variables, no patterns.
result<std::vector<std::string>> split_words(std::string_view text);

}  // namespace sigrun
