#include "kernel/app/sigrun/cell_text.hpp"

#include <array>
#include <cstdint>

namespace sigrun::cli {
namespace {

struct code_point {
    char32_t value = 0;
    std::size_t length = 1;  // bytes consumed
    bool valid = false;
};

code_point decode(std::string_view text) noexcept {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return {first, 1, true};
    std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
    char32_t value = first & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0u) != 0x80u) return {};
        value = (value << 6) | (next & 0x3Fu);
    }
    const bool too_long = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (too_long || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
    return {value, length, true};
}

std::size_t width_of(char32_t c) noexcept {
    struct range {
        char32_t first, last;
    };
    if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || (c >= 0xFE00 && c <= 0xFE0F)) return 0;
    static constexpr std::array<range, 9> wide{{{0x1100, 0x115F},
                                                {0x2E80, 0xA4CF},
                                                {0xAC00, 0xD7A3},
                                                {0xF900, 0xFAFF},
                                                {0xFE30, 0xFE6F},
                                                {0xFF00, 0xFF60},
                                                {0xFFE0, 0xFFE6},
                                                {0x1F300, 0x1FAFF},
                                                {0x20000, 0x3FFFD}}};
    for (const auto& r : wide)
        if (c >= r.first && c <= r.last) return 2;
    return 1;
}

/// Controls, and the marks that turn the direction of the text around them.
bool is_hidden(char32_t c) noexcept {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0x2028 || c == 0x2029;
}

void append_escape(std::string& out, char32_t c) {
    constexpr const char* k_digits = "0123456789abcdef";
    switch (c) {
        case '\n': out += "\\n"; return;
        case '\t': out += "\\t"; return;
        case '\r': out += "\\r"; return;
        default: break;
    }
    out += c < 0x100 ? "\\x" : "\\u";
    for (int shift = c < 0x100 ? 4 : 12; shift >= 0; shift -= 4) out += k_digits[(c >> shift) & 0xFu];
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const code_point c = decode(text);
        if (!c.valid)
            out += "\xEF\xBF\xBD";
        else if (is_hidden(c.value))
            append_escape(out, c.value);
        else
            out.append(text.substr(0, c.length));
        text.remove_prefix(c.length);
    }
    return out;
}

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const code_point c = decode(text);
        if (!c.valid) return false;
        text.remove_prefix(c.length);
    }
    return true;
}

std::size_t columns_of(std::string_view text) noexcept {
    std::size_t columns = 0;
    while (!text.empty()) {
        const code_point c = decode(text);
        columns += c.valid ? width_of(c.value) : 1;
        text.remove_prefix(c.length);
    }
    return columns;
}

std::string cut_to(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t used = 0, bytes = 0;
    while (bytes < text.size()) {
        const code_point c = decode(text.substr(bytes));
        const std::size_t width = c.valid ? width_of(c.value) : 1;
        if (used + width > columns - 1) break;
        used += width;
        bytes += c.length;
    }
    std::string out(text.substr(0, bytes));
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out + "\xE2\x80\xA6";
}

}  // namespace sigrun::cli
