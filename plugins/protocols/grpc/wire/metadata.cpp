#include "wire/metadata.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun::grpc {
namespace {

struct unit {
    char letter;
    std::uint64_t ns;
};
constexpr std::array<unit, 6> k_units{
    {{'n', 1}, {'u', 1000}, {'m', 1'000'000}, {'S', 1'000'000'000}, {'M', 60'000'000'000}, {'H', 3'600'000'000'000}}};
constexpr std::uint64_t k_max_digits = 99'999'999;
constexpr std::string_view k_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<std::uint64_t> parse_timeout(std::string_view text) noexcept {
    if (text.size() < 2 || text.size() > 9) return std::nullopt;
    std::uint64_t n = 0;
    for (char c : text.substr(0, text.size() - 1)) {
        if (c < '0' || c > '9') return std::nullopt;
        n = n * 10 + static_cast<std::uint64_t>(c - '0');
    }
    for (const auto& u : k_units)
        if (u.letter == text.back()) return n > ~std::uint64_t{0} / u.ns / 4 ? ~std::uint64_t{0} / 4 : n * u.ns;
    return std::nullopt;
}

std::string format_timeout(std::uint64_t left_ns) {
    for (const auto& u : k_units) {
        const auto n = left_ns / u.ns + (left_ns % u.ns ? 1 : 0);
        if (n <= k_max_digits) return sdk::concat(n, u.letter);
    }
    return sdk::concat(k_max_digits, 'H');
}

std::string percent_encode(std::string_view text) {
    static constexpr char k_hex[] = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (c >= ' ' && c <= '~' && c != '%') {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += k_hex[byte >> 4];
        out += k_hex[byte & 15];
    }
    return out;
}

std::string percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
            out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto part = bytes.substr(i, 3);
        unsigned word = 0;
        for (std::size_t j = 0; j < 3; ++j)
            word = word << 8 | (j < part.size() ? static_cast<unsigned char>(part[j]) : 0u);
        for (std::size_t j = 0; j <= part.size(); ++j) out += k_alphabet[word >> (18 - 6 * j) & 63];
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    unsigned word = 0;
    unsigned bits = 0;
    for (char c : text) {
        const auto value = k_alphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        word = word << 6 | static_cast<unsigned>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out += static_cast<char>(word >> bits & 255);
    }
    return out;
}

}  // namespace sigrun::grpc
