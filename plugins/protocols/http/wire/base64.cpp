#include "wire/base64.hpp"

#include <array>
#include <cstdint>

namespace sigrun::http {
namespace {

constexpr std::string_view k_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t k_no_letter = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
    std::array<std::uint8_t, 256> values{};
    for (auto& v : values) v = k_no_letter;
    for (std::size_t i = 0; i < k_letters.size(); ++i)
        values[static_cast<unsigned char>(k_letters[i])] = static_cast<std::uint8_t>(i);
    return values;
}
constexpr auto k_values = make_values();

std::uint32_t byte_at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

}  // namespace

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::size_t i = 0;
    auto put = [&](std::uint32_t three, int letters) {
        for (int k = 0; k < letters; ++k) out += k_letters[(three >> (18 - 6 * k)) & 63u];
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

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    std::string out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const std::size_t letters = i + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < letters; ++k) {
            const auto v = k_values[byte_at(text, i + k)];
            if (v == k_no_letter) return std::nullopt;
            bits |= static_cast<std::uint32_t>(v) << (18 - 6 * k);
        }
        const std::size_t n = letters - 1;
        if (bits & (0xffffffu >> (8 * n))) return std::nullopt;
        for (std::size_t k = 0; k < n; ++k) out += static_cast<char>((bits >> (16 - 8 * k)) & 0xffu);
    }
    return out;
}

}  // namespace sigrun::http
