// sigrun/cpp/short_hash.hpp: tells texts apart without publishing them. Header-only; one object belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::sdk {

/// 64-bit FNV-1a over everything added. Not a secret: who can try all texts finds the one.
class short_hasher {
public:
    void add(std::string_view bytes) noexcept {
        for (char c : bytes) h_ = (h_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    }
    /// 16 hexadecimal digits.
    std::string text() const {
        static constexpr char k_digits[] = "0123456789abcdef";
        std::string out;
        for (int shift = 60; shift >= 0; shift -= 4) out += k_digits[h_ >> shift & 15];
        return out;
    }

private:
    std::uint64_t h_ = 0xcbf29ce484222325ull;
};

inline std::string short_hash(std::string_view bytes) {
    short_hasher h;
    h.add(bytes);
    return h.text();
}

}  // namespace sigrun::sdk
