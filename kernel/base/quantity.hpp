// Texts with units: durations ("250ms", "1h30m"), sizes ("4GiB", "64k"), booleans ("yes"). Pure.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"

#include <cstdint>
#include <string_view>

namespace sigrun {

/// ns us ms s m h d, combined as in "1h30m"; "0" needs no unit. The problem's field is empty: the caller knows it.
result<nanoseconds> parse_duration(std::string_view text);
/// Bytes: plain number, k M G T (powers of 1000), Ki Mi Gi Ti (powers of 1024), an optional B at the end.
result<std::uint64_t> parse_size(std::string_view text);
/// yes/no, true/false, on/off, 1/0.
result<bool> parse_bool(std::string_view text);

/// The shortest exact text that parse_duration reads back: "1h30m", "250ms", "0s".
std::string format_duration(nanoseconds value);
/// For people: "24.0 GiB", "512 B".
std::string format_size(std::uint64_t bytes);

}  // namespace sigrun
