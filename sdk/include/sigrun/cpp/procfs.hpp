// sigrun/cpp/procfs.hpp: pure parsers of small kernel texts: numbers, lines, tables of "name: value".
// Header-only.
//
// Every parser takes untrusted text of any size and content and answers nothing rather than something
// invented.
#pragma once

#include <sigrun/cpp/sysroot.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// A whole decimal number with white space around it, or nothing.
inline std::optional<std::uint64_t> parse_u64(std::string_view text) noexcept {
    text = trimmed(text);
    std::uint64_t value = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}
inline std::optional<std::int64_t> parse_i64(std::string_view text) noexcept {
    text = trimmed(text);
    std::int64_t value = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}
/// a * b, or nothing when it does not fit.
inline std::optional<std::uint64_t> times(std::optional<std::uint64_t> a, std::uint64_t b) noexcept {
    if (!a || (b && *a > std::numeric_limits<std::uint64_t>::max() / b)) return std::nullopt;
    return *a * b;
}

/// Takes one line off the front of `rest`; false at the end.
inline bool next_line(std::string_view& rest, std::string_view& line) noexcept {
    if (rest.empty()) return false;
    const auto end = rest.find('\n');
    line = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    return true;
}
/// Takes one word off the front of `rest`; empty at the end.
inline std::string_view next_word(std::string_view& rest) noexcept {
    const auto first = rest.find_first_not_of(" \t\r\n");
    if (first == rest.npos) return rest = {};
    rest.remove_prefix(first);
    const auto end = rest.find_first_of(" \t\r\n");
    const auto word = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view() : rest.substr(end);
    return word;
}
inline std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> out;
    for (auto w = next_word(text); !w.empty(); w = next_word(text)) out.push_back(w);
    return out;
}

/// The value of the first "name : value" line, as in /proc/cpuinfo and /proc/self/status; nothing if there is
/// none.
inline std::optional<std::string_view> field(std::string_view text, std::string_view name) noexcept {
    std::string_view line;
    while (next_line(text, line)) {
        const auto colon = line.find(':');
        if (colon != line.npos && trimmed(line.substr(0, colon)) == name) return trimmed(line.substr(colon + 1));
    }
    return std::nullopt;
}

/// /proc/meminfo: "MemTotal:       24684084 kB" in bytes.
inline std::optional<std::uint64_t> meminfo_bytes(std::string_view text, std::string_view name) noexcept {
    auto value = field(text, name);
    if (!value || value->size() < 3 || value->substr(value->size() - 2) != "kB") return std::nullopt;
    return times(parse_u64(value->substr(0, value->size() - 2)), 1024);
}

/// /proc/pressure/*: share of the last ten seconds in which some task waited, 0 to 1.
inline std::optional<double> pressure_some_avg10(std::string_view text) noexcept {
    std::string_view line;
    while (next_line(text, line)) {
        if (next_word(line) != "some") continue;
        for (auto word = next_word(line); !word.empty(); word = next_word(line)) {
            if (!word.starts_with("avg10=")) continue;
            word.remove_prefix(6);
            double percent = 0;
            auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), percent);
            if (ec != std::errc{} || end != word.data() + word.size() || !(percent >= 0 && percent <= 100))
                return std::nullopt;
            return percent / 100;
        }
    }
    return std::nullopt;
}

/// sysfs choices: the word in brackets of "always [madvise] never".
inline std::optional<std::string_view> bracketed(std::string_view text) noexcept {
    const auto open = text.find('[');
    const auto close = text.find(']', open == text.npos ? 0 : open);
    if (open == text.npos || close == text.npos || close == open + 1) return std::nullopt;
    return text.substr(open + 1, close - open - 1);
}

/// sysfs sizes: "32K", "1024K", "8M" or plain bytes.
inline std::optional<std::uint64_t> parse_sysfs_size(std::string_view text) noexcept {
    text = trimmed(text);
    std::uint64_t unit = 1;
    if (!text.empty() && (text.back() == 'K' || text.back() == 'M' || text.back() == 'G')) {
        unit = text.back() == 'K' ? 1024u : text.back() == 'M' ? 1024u * 1024u : 1024u * 1024u * 1024u;
        text.remove_suffix(1);
    }
    return times(parse_u64(text), unit);
}

}  // namespace sigrun::sdk
