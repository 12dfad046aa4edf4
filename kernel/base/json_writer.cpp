#include "kernel/base/json_writer.hpp"

#include <cstdio>

namespace sigrun {
namespace {

// Length of the valid UTF-8 sequence at the front, 0 if there is none (RFC 3629: no surrogates, no overlong forms).
std::size_t utf8_length(std::string_view t) noexcept {
    auto b = [&](std::size_t i) { return static_cast<unsigned char>(t[i]); };
    auto more = [&](std::size_t i) { return i < t.size() && (b(i) & 0xC0u) == 0x80u; };
    unsigned char c = b(0);
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) return more(1) ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF) {
        if (!more(1) || !more(2)) return 0;
        if ((c == 0xE0 && b(1) < 0xA0) || (c == 0xED && b(1) > 0x9F)) return 0;
        return 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (!more(1) || !more(2) || !more(3)) return 0;
        if ((c == 0xF0 && b(1) < 0x90) || (c == 0xF4 && b(1) > 0x8F)) return 0;
        return 4;
    }
    return 0;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t plain = 0;  // begin of what needs no change
    for (std::size_t i = 0; i < text.size();) {
        auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            ++i;
            continue;
        }
        std::size_t n = c >= 0x80 ? utf8_length(text.substr(i)) : 0;
        if (n) {
            i += n;
            continue;
        }
        out.append(text, plain, i - plain);
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                if (c < 0x20) {
                    char code[8];
                    std::snprintf(code, sizeof code, "\\u%04x", c);
                    out += code;
                } else {
                    out += "\xEF\xBF\xBD";
                }
        }
        plain = ++i;
    }
    out.append(text, plain, text.size() - plain);
    out += '"';
}

}  // namespace sigrun
