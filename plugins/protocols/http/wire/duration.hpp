// Durations as people write them: "250ms", "30s", "1h30m". Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace sigrun::http {

/// Nothing if it is not a non-negative duration with units ns us ms s m h d, or longer than 100 years. "0" is
/// fine.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace sigrun::http
