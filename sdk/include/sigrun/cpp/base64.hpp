// sigrun/cpp/base64.hpp: Base64 (RFC 4648), padded, or in the alphabet for URLs without padding. Pure; strict on input.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::sdk {

namespace detail {

inline constexpr std::string_view k_base64_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline constexpr std::uint8_t k_no_base64_letter = 0xff;

constexpr std::array<std::uint8_t, 256> make_base64_values() {
    std::array<std::uint8_t, 256> values{};
    for (auto& v : values) v = k_no_base64_letter;
    for (std::size_t i = 0; i < k_base64_letters.size(); ++i)
        values[static_cast<unsigned char>(k_base64_letters[i])] = static_cast<std::uint8_t>(i);
    return values;
}
inline constexpr auto k_base64_values = make_base64_values();

inline std::uint32_t byte_at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

}  // namespace detail

// Both write through a pointer into a text of the final size: output of jobs goes through them by the gigabyte.
inline std::string to_base64(std::string_view bytes) {
    using detail::byte_at;
    std::string out((bytes.size() + 2) / 3 * 4, '=');
    char* to = out.data();
    const char* const letters = detail::k_base64_letters.data();
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3, to += 4) {
        const auto three = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
        to[0] = letters[three >> 18];
        to[1] = letters[(three >> 12) & 63u];
        to[2] = letters[(three >> 6) & 63u];
        to[3] = letters[three & 63u];
    }
    if (const auto left = bytes.size() - i; left > 0) {
        const auto three = byte_at(bytes, i) << 16 | (left == 2 ? byte_at(bytes, i + 1) << 8 : 0u);
        to[0] = letters[three >> 18];
        to[1] = letters[(three >> 12) & 63u];
        if (left == 2) to[2] = letters[(three >> 6) & 63u];
    }
    return out;
}

/// Nothing unless `text` is canonical base64: known letters, right padding, no spare bits.
inline std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    std::string out(text.size() / 4 * 3 - padding, '\0');
    char* to = out.data();
    auto value = [&](std::size_t at) { return std::uint32_t{detail::k_base64_values[detail::byte_at(text, at)]}; };
    const std::size_t whole = padding ? text.size() - 4 : text.size();
    for (std::size_t i = 0; i < whole; i += 4, to += 3) {
        const auto a = value(i), b = value(i + 1), c = value(i + 2), d = value(i + 3);
        if ((a | b | c | d) > 63) return std::nullopt;
        const auto bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = static_cast<char>(bits >> 16);
        to[1] = static_cast<char>(bits >> 8 & 0xffu);
        to[2] = static_cast<char>(bits & 0xffu);
    }
    if (padding) {
        const auto a = value(whole), b = value(whole + 1), c = padding == 1 ? value(whole + 2) : 0u;
        if ((a | b | c) > 63) return std::nullopt;
        const auto bits = a << 18 | b << 12 | c << 6;
        if (bits & (padding == 1 ? 0xffu : 0xffffu)) return std::nullopt;
        to[0] = static_cast<char>(bits >> 16);
        if (padding == 1) to[1] = static_cast<char>(bits >> 8 & 0xffu);
    }
    return out;
}

/// Base64url without padding (RFC 4648, section 5), as it fits into a token of an HTTP header.
inline std::optional<std::string> from_base64url(std::string_view text) {
    std::string plain(text);
    for (char& c : plain) {
        if (c == '+' || c == '/' || c == '=') return std::nullopt;
        if (c == '-') c = '+';
        if (c == '_') c = '/';
    }
    plain.resize((plain.size() + 3) / 4 * 4, '=');
    return from_base64(plain);
}

}  // namespace sigrun::sdk
