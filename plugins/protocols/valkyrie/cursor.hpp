// Reads and writes the variable parts of a frame body: little-endian base-128 integers and length-prefixed
// texts. Pure.
#pragma once

#include "wire.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::valkyrie {

inline constexpr std::size_t k_max_varint = 10;

/// Writes at `p`, which has room for k_max_varint bytes; returns the next position.
inline char* put_varint(char* p, std::uint64_t v) noexcept {
    while (v >= 0x80) {
        *p++ = static_cast<char>(v | 0x80);
        v >>= 7;
    }
    *p++ = static_cast<char>(v);
    return p;
}
inline char* put_bytes(char* p, std::string_view bytes) noexcept {
    if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
    return p + bytes.size();
}
inline char* put_text(char* p, std::string_view text) noexcept { return put_bytes(put_varint(p, text.size()), text); }

/// Walks over a body. After the first failure every read fails.
class cursor {
public:
    explicit cursor(std::string_view body) noexcept : p_(body.data()), end_(body.data() + body.size()) {}

    bool failed() const noexcept { return failed_; }
    /// It failed because a text was not UTF-8.
    bool bad_text() const noexcept { return bad_text_; }
    bool at_end() const noexcept { return p_ == end_; }
    std::string_view rest() noexcept {
        std::string_view all(p_, static_cast<std::size_t>(end_ - p_));
        p_ = end_;
        return all;
    }
    std::uint64_t varint() noexcept {
        std::uint64_t v = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (p_ == end_) break;
            auto byte = static_cast<unsigned char>(*p_++);
            if (shift == 63 && byte > 1) break;
            v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return v;
        }
        return fail(), 0;
    }
    std::string_view bytes(std::size_t n) noexcept {
        if (static_cast<std::size_t>(end_ - p_) < n) return fail(), std::string_view();
        std::string_view out(p_, n);
        p_ += n;
        return out;
    }
    std::string_view text(std::size_t limit) noexcept {
        auto n = varint();
        if (n > limit) return fail(), std::string_view();
        auto out = bytes(static_cast<std::size_t>(n));
        if (!sdk::is_utf8(out)) return bad_text_ = true, fail(), std::string_view();
        return out;
    }

private:
    void fail() noexcept {
        failed_ = true;
        p_ = end_;
    }
    const char* p_;
    const char* end_;
    bool failed_ = false;
    bool bad_text_ = false;
};

}  // namespace sigrun::valkyrie
