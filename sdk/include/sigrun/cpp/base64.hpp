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

inline std::string to_base64(std::string_view bytes) {
    using detail::byte_at;
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::size_t i = 0;
    auto put = [&](std::uint32_t three, int letters) {
        for (int k = 0; k < letters; ++k) out += detail::k_base64_letters[(three >> (18 - 6 * k)) & 63u];
    };
    for (; i + 3 <= bytes.size(); i += 3)
        put(byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2), 4);
    if (bytes.size() - i == 1) {
        put(byte_at(bytes, i) << 16, 2);
        out += "==";
    } else if (bytes.size() - i == 2) {
        put(byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8, 3);
        out += '=';
    }
    return out;
}

/// Nothing unless `text` is canonical base64: known letters, right padding, no spare bits.
inline std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    std::string out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t letters = i + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < letters; ++k) {
            const auto v = detail::k_base64_values[detail::byte_at(text, i + k)];
            if (v == detail::k_no_base64_letter) return std::nullopt;
            bits |= static_cast<std::uint32_t>(v) << (18 - 6 * k);
        }
        const std::size_t n = letters - 1;
        if (bits & (0xffffffu >> (8 * n))) return std::nullopt;
        for (std::size_t k = 0; k < n; ++k) out += static_cast<char>((bits >> (16 - 8 * k)) & 0xffu);
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
