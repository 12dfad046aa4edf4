// How lines are written. Apart from log.hpp, which everything includes.
#pragma once

#include <string_view>

namespace sigrun {

enum class log_format { text, json };
/// Before start_logging; "text" or "json", false for another word.
bool set_log_format(std::string_view name) noexcept;

}  // namespace sigrun
