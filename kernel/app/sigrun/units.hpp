// Numbers for people: ages, durations, times and quantities whose unit is in the fact's name. Pure.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/time_text.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::cli {

/// "now", "42s", "5m", "3h", "12d"; a time in the future counts as now.
std::string age(std::int64_t then_ns, std::int64_t now_ns);
using sigrun::span_of_time;
/// The age of an RFC 3339 text; "" for an empty or unreadable one.
std::string age_of(std::string_view rfc3339, std::int64_t now_ns);
/// "1 fact", "2 facts"
std::string count_of(std::uint64_t number, std::string_view what);
/// "1,234,567"
std::string grouped(std::uint64_t number);
/// A fact's value with the unit its key ends in: `_bytes` "24.0 GiB", `_bps` "1.2 Gb/s", `_hz`, `_ns`, `_us`,
/// `_ms`, `_s`.
std::string fact_text(std::string_view key, const json::value& value);

}  // namespace sigrun::cli
