// sigrun/cpp/utf8.hpp: making text of strangers UTF-8 (Unicode table 3-7: no overlong forms, no surrogates, nothing above
// U+10FFFF). The plain checks are in text.hpp. Pure.
#pragma once

#include <sigrun/cpp/text.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace sigrun::sdk {

namespace detail {

struct utf8_part {
    std::size_t length;  // 0: the first byte begins no sequence
    bool complete;       // false: correct so far, but the text ends
};

inline unsigned at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

/// The sequence that begins at `i`.
inline utf8_part sequence_at(std::string_view s, std::size_t i) {
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

}  // namespace detail

/// Length of a sequence at the end of `text` that has begun correctly but is not finished; 0 to 3.
inline std::size_t unfinished_tail(std::string_view text) noexcept {
    const std::size_t reach = text.size() < 3 ? text.size() : 3;
    for (std::size_t n = 1; n <= reach; ++n) {
        const auto s = detail::sequence_at(text, text.size() - n);
        if (s.length == n && !s.complete) return n;
    }
    return 0;
}

/// Every byte that belongs to no valid sequence becomes U+FFFD; `replaced` counts them.
inline std::string with_valid_utf8(std::string_view text, std::size_t& replaced) {
    replaced = 0;
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const auto s = detail::sequence_at(text, i);
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

/// Text of a stranger as people are shown it: at most 200 bytes, and UTF-8.
inline std::string shown(std::string_view text) {
    auto part = text.substr(0, 200);
    if (part.size() < text.size()) part.remove_suffix(unfinished_tail(part));
    std::size_t replaced = 0;
    return with_valid_utf8(part, replaced);
}

}  // namespace sigrun::sdk
