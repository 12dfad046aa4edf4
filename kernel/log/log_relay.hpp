// For a child that has no log of its own: its lines go to whoever started it.
#pragma once

#include "kernel/log/log.hpp"

#include <functional>
#include <string_view>

namespace sigrun {

/// From now on every line is given to `take` instead of being written; one at a time, on the thread that logs.
void relay_log_lines(std::function<void(log_level level, std::string_view text)> take);

}  // namespace sigrun
