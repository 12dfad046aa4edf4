// Times as people and documents write them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sigrun {

/// "2026-01-05T10:00:00.123Z" or with "+01:00", of the years 1970 to 2261; a space may stand for the T. Nanoseconds since 1970.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace sigrun
