#include "kernel/base/quantity.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

namespace sigrun {
namespace {

struct unit {
    std::string_view name;
    double factor;
};
constexpr std::array<unit, 7> k_times{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

double size_factor(std::string_view u) {
    if (!u.empty() && (u.back() == 'B' || u.back() == 'b')) u.remove_suffix(1);
    if (u.empty()) return 1;
    constexpr std::string_view letters = "kmgtp";
    auto at = letters.find(static_cast<char>(u[0] | 0x20));
    if (at == std::string_view::npos) return 0;
    u.remove_prefix(1);
    double base = 1000;
    if (!u.empty() && (u[0] == 'i' || u[0] == 'I')) {
        base = 1024;
        u.remove_prefix(1);
    }
    return u.empty() ? std::pow(base, static_cast<double>(at) + 1) : 0;
}

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads an unsigned decimal number from the front of `text`.
bool take_number(std::string_view& text, double& out) {
    if (text.empty() || text[0] == '-' || text[0] == '+' || is_letter(text[0])) return false;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out, std::chars_format::fixed);
    if (ec != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

}  // namespace

result<nanoseconds> parse_duration(std::string_view text) {
    auto wrong = [&] { return bad_value("", "a duration such as 250ms, 30s or 1h30m", quoted(text)); };
    std::string_view rest = text;
    double total = 0;
    if (rest == "0") return nanoseconds(0);
    if (rest.empty()) return wrong();
    while (!rest.empty()) {
        double number = 0;
        if (!take_number(rest, number)) return wrong();
        std::size_t n = 0;
        while (n < rest.size() && is_letter(rest[n])) ++n;
        double factor = 0;
        for (const auto& u : k_times)
            if (u.name == rest.substr(0, n)) factor = u.factor;
        if (factor == 0) return wrong();
        total += number * factor;
        rest.remove_prefix(n);
    }
    if (total > 9.2e18) return bad_value("", "a duration below 292 years", quoted(text));
    return nanoseconds(static_cast<std::int64_t>(std::llround(total)));
}

result<std::uint64_t> parse_size(std::string_view text) {
    auto wrong = [&] { return bad_value("", "a size such as 64k, 512MiB or 4GiB", quoted(text)); };
    std::string_view rest = text;
    double number = 0;
    if (!take_number(rest, number)) return wrong();
    while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
    double factor = size_factor(rest);
    if (factor == 0) return wrong();
    if (number * factor >= 9.2e18) return bad_value("", "a size below 8 EiB", quoted(text));
    return static_cast<std::uint64_t>(std::llround(number * factor));
}

result<bool> parse_bool(std::string_view text) {
    for (std::string_view yes : {"yes", "true", "on", "1"})
        if (text == yes) return true;
    for (std::string_view no : {"no", "false", "off", "0"})
        if (text == no) return false;
    return bad_value("", "yes or no", quoted(text));
}

std::string format_duration(nanoseconds value) {
    std::int64_t rest = value.count();
    if (rest == 0) return "0s";
    std::string out = rest < 0 ? "-" : "";
    if (rest < 0) rest = -rest;
    for (std::size_t i = k_times.size(); i-- > 0;) {
        auto factor = static_cast<std::int64_t>(k_times[i].factor);
        if (rest >= factor) {
            out += std::to_string(rest / factor) + std::string(k_times[i].name);
            rest %= factor;
        }
    }
    return out;
}

std::string format_size(std::uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + " B";
    constexpr const char* names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    int i = 0;
    while (value >= 1024 && i < 5) {
        value /= 1024;
        ++i;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", value, names[i]);
    return text;
}

}  // namespace sigrun
