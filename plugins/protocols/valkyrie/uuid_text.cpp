#include "uuid_text.hpp"

#include <array>
#include <cstdint>

namespace sigrun::valkyrie {

namespace {
constexpr std::array<std::uint8_t, k_uuid_raw> k_place{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

constexpr auto k_digit = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(0xff);
    for (unsigned c = '0'; c <= '9'; ++c) table[c] = static_cast<std::uint8_t>(c - '0');
    for (unsigned c = 'a'; c <= 'f'; ++c) table[c] = static_cast<std::uint8_t>(c - 'a' + 10);
    return table;
}();
}  // namespace

bool parse_uuid(std::string_view text, char* raw) noexcept {
    if (text.size() != k_uuid_text) return false;
    if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return false;
    unsigned bad = 0;
    for (std::size_t i = 0; i < k_uuid_raw; ++i) {
        unsigned high = k_digit[static_cast<unsigned char>(text[k_place[i]])];
        unsigned low = k_digit[static_cast<unsigned char>(text[k_place[i] + 1u])];
        bad |= high | low;
        raw[i] = static_cast<char>(high << 4 | low);
    }
    return bad < 16;
}

void format_uuid(const char* raw, char* text) noexcept {
    static constexpr char k_hex[] = "0123456789abcdef";
    text[8] = text[13] = text[18] = text[23] = '-';
    for (std::size_t i = 0; i < k_uuid_raw; ++i) {
        auto byte = static_cast<unsigned char>(raw[i]);
        text[k_place[i]] = k_hex[byte >> 4];
        text[k_place[i] + 1u] = k_hex[byte & 15];
    }
}

}  // namespace sigrun::valkyrie
