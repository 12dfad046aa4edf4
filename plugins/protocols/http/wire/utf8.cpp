#include "wire/utf8.hpp"

namespace sigrun::http {
namespace {

struct sequence {
    std::size_t length;  // 0: the first byte begins no sequence
    bool complete;       // false: correct so far, but the text ends
};

unsigned at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

/// The sequence that begins at `i`.
sequence sequence_at(std::string_view s, std::size_t i) {
    const unsigned lead = at(s, i);
    if (lead < 0x80) return {1, true};
    std::size_t length = 0;
    unsigned low = 0x80;
    unsigned high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
    } else {
        return {0, false};
    }
    for (std::size_t k = 1; k < length; ++k) {
        if (i + k == s.size()) return {k, false};
        const unsigned byte = at(s, i + k);
        if (byte < low || byte > high) return {0, false};
        low = 0x80;
        high = 0xbf;
    }
    return {length, true};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size();) {
        const auto s = sequence_at(text, i);
        if (!s.complete) return false;
        i += s.length;
    }
    return true;
}

std::size_t unfinished_tail(std::string_view text) noexcept {
    const std::size_t reach = text.size() < 3 ? text.size() : 3;
    for (std::size_t n = 1; n <= reach; ++n) {
        const auto s = sequence_at(text, text.size() - n);
        if (s.length == n && !s.complete) return n;
    }
    return 0;
}

std::string with_valid_utf8(std::string_view text, std::size_t& replaced) {
    replaced = 0;
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto s = sequence_at(text, i);
        if (s.complete) {
            out.append(text.substr(i, s.length));
            i += s.length;
        } else {
            out += "\xef\xbf\xbd";
            ++replaced;
            ++i;
        }
    }
    return out;
}

std::string shown(std::string_view text) {
    auto part = text.substr(0, 200);
    if (part.size() < text.size()) part.remove_suffix(unfinished_tail(part));
    std::size_t replaced = 0;
    return with_valid_utf8(part, replaced);
}

}  // namespace sigrun::http
