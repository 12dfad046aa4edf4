// Times as texts, the way from them; clock.hpp has to_rfc3339. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sigrun {

/// Nanoseconds since 1970, up to 2261: "2026-01-05T10:00:00.123Z", "2026-01-05T12:00:00+02:00". The fraction of a second is
/// optional, the zone is not.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace sigrun
