// sigrun/cpp/text.hpp: conversions between ABI texts and C++ ones, and a small text builder. Header-only.
#pragma once

#include <sigrun/base.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace sigrun::sdk {

inline std::string_view view(sigrun_str s) noexcept { return {s.ptr, static_cast<std::size_t>(s.len)}; }
inline std::string_view view(sigrun_bytes b) noexcept {
    return {static_cast<const char*>(b.ptr), static_cast<std::size_t>(b.len)};
}
inline constexpr sigrun_str str(std::string_view s) noexcept { return {s.data(), s.size()}; }
inline sigrun_bytes bytes(std::string_view s) noexcept { return {s.data(), s.size()}; }

namespace detail {
/// Length of the UTF-8 sequence that begins `p` (Unicode table 3-7), 0 = none.
inline std::size_t utf8_sequence(const unsigned char* p, std::size_t n) noexcept {
    const unsigned lead = p[0];
    if (lead < 0x80) return 1;
    std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || n < length) return 0;
    // The second byte excludes overlong forms, surrogates and what is above U+10FFFF.
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return length;
}
}  // namespace detail

/// How many bytes at the beginning are UTF-8. Runs of ASCII are passed over eight bytes at a time.
[[gnu::noinline]] inline std::size_t utf8_prefix(std::string_view text) noexcept {
    auto* p = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t left = text.size();
    while (left) {
        if (left >= 8) {
            std::uint64_t word;
            std::memcpy(&word, p, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                p += 8;
                left -= 8;
                continue;
            }
        }
        const auto n = detail::utf8_sequence(p, left);
        if (!n) break;
        p += n;
        left -= n;
    }
    return text.size() - left;
}

/// Short ASCII, which nearly every text of the wire is, costs about a nanosecond.
inline bool is_utf8(std::string_view text) noexcept {
    const char* p = text.data();
    const std::size_t n = text.size();
    std::uint64_t seen = 0, word = 0;
    if (n >= 8) {
        for (std::size_t i = 0; i + 8 < n && i < 256; i += 8) {
            std::memcpy(&word, p + i, sizeof word);
            seen |= word;
        }
        std::memcpy(&word, p + n - 8, sizeof word);  // overlaps
        if (n <= 264 && !((seen | word) & 0x8080808080808080u)) return true;
    } else if (n >= 4) {
        std::uint32_t first, last;
        std::memcpy(&first, p, sizeof first);
        std::memcpy(&last, p + n - 4, sizeof last);
        if (!((first | last) & 0x80808080u)) return true;
    } else if (n == 0 || !((p[0] | p[n / 2] | p[n - 1]) & 0x80)) {
        return true;
    }
    return utf8_prefix(text) == n;
}

namespace detail {
template <class T>
void append(std::string& out, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        out += value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
        out += value;
    } else if constexpr (std::is_arithmetic_v<T>) {
        char digits[40];
        auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out.append(digits, end);
    } else {
        out += std::string_view(value);
    }
}
}  // namespace detail

/// Joins texts and numbers: concat("port ", 7070, " is in use").
template <class... Parts>
std::string concat(const Parts&... parts) {
    std::string out;
    (detail::append(out, parts), ...);
    return out;
}

}  // namespace sigrun::sdk
