// The Retry-After header. Pure.
#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string_view>

namespace sigrun::http::rustci {

/// Seconds or an HTTP date, at most ten minutes; nothing for other text.
std::optional<std::chrono::seconds> read_retry_after(std::string_view value, std::time_t now);

}  // namespace sigrun::http::rustci
