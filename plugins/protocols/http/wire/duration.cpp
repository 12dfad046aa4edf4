#include "wire/duration.hpp"

#include <array>
#include <charconv>

namespace sigrun::http {
namespace {

struct unit {
    std::string_view name;
    double ns;
};
constexpr std::array<unit, 7> k_units{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
constexpr double k_longest = 100.0 * 366 * 86400e9;

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
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
        const unit* found = nullptr;
        for (const auto& u : k_units)
            if (u.name == name) found = &u;
        if (!found) return std::nullopt;
        total += n * found->ns;
        if (!(total <= k_longest)) return std::nullopt;
        at = name_end;
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

}  // namespace sigrun::http
