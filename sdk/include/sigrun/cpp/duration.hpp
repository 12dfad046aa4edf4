// sigrun/cpp/duration.hpp: durations as people write them: "250ms", "30s", "1h30m". Pure.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sigrun::sdk {

namespace detail {

struct duration_unit {
    std::string_view name;
    double ns;
};
inline constexpr std::array<duration_unit, 7> k_duration_units{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
inline constexpr double k_longest_duration = 100.0 * 366 * 86400e9;

}  // namespace detail

/// Nothing if it is not a non-negative duration with units ns us ms s m h d, or longer than 100 years. "0" is fine.
inline std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    if (text == "0") return std::chrono::nanoseconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
        if (*at < '0' || *at > '9') return std::nullopt;
        double n = 0;
        const auto [stop, error] = std::from_chars(at, end, n, std::chars_format::fixed);
        if (error != std::errc()) return std::nullopt;
        const char* name_end = stop;
        while (name_end != end && *name_end >= 'a' && *name_end <= 'z') ++name_end;
        const std::string_view name(stop, static_cast<std::size_t>(name_end - stop));
        const detail::duration_unit* found = nullptr;
        for (const auto& u : detail::k_duration_units)
            if (u.name == name) found = &u;
        if (!found) return std::nullopt;
        total += n * found->ns;
        if (!(total <= detail::k_longest_duration)) return std::nullopt;
        at = name_end;
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

}  // namespace sigrun::sdk
