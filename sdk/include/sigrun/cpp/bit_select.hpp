// sigrun/cpp/bit_select.hpp: counting the bits of a word, and finding its n-th. Header-only, no allocation, [hot].
//
// count_bits and nth_bit run on every processor. Code that does little else is a template over portable_bits and fast_bits,
// which has the instructions for it, and is compiled for both:
//
//   template <class Bits> [[gnu::always_inline]] inline int work(...) { ... Bits::count(w) ... }
//   SIGRUN_FAST_BITS int fast_work(...) { return work<fast_bits>(...); }
//   ... has_fast_bits() ? fast_work(...) : work<portable_bits>(...)
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sigrun::sdk {
namespace detail {

constexpr std::uint64_t k_each_byte = 0x0101010101010101u;

/// Byte i: how many bits are set in bytes 0 to i. By hand: without the popcnt instruction the compiler would call a library
/// function.
constexpr std::uint64_t bits_up_to_bytes(std::uint64_t w) noexcept {
    w -= (w >> 1) & 0x5555555555555555u;
    w = (w & 0x3333333333333333u) + ((w >> 2) & 0x3333333333333333u);
    return ((w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fu) * k_each_byte;
}
/// [n][byte]: position of the n-th set bit of a byte.
inline constexpr auto k_nth_in_byte = [] {
    std::array<std::array<std::uint8_t, 256>, 8> table{};
    for (unsigned byte = 0; byte < 256; ++byte)
        for (unsigned bit = 0, n = 0; bit < 8; ++bit)
            if (byte >> bit & 1) table[n++][byte] = static_cast<std::uint8_t>(bit);
    return table;
}();

}  // namespace detail

constexpr std::uint32_t count_bits(std::uint64_t w) noexcept {
    return static_cast<std::uint32_t>(detail::bits_up_to_bytes(w) >> 56);
}

/// Position of the n-th set bit, from 0. n must be below count_bits(w). Without branches: they would go either way.
constexpr std::uint32_t nth_bit(std::uint64_t w, std::uint32_t n) noexcept {
    constexpr std::uint64_t k_high = 0x80 * detail::k_each_byte;
    const std::uint64_t sums = detail::bits_up_to_bytes(w);
    const std::uint64_t not_above = ((n * detail::k_each_byte | k_high) - sums) & k_high;  // bytes with sums up to n
    const auto shift = 8 * static_cast<std::uint32_t>(((not_above >> 7) * detail::k_each_byte) >> 56);
    const std::uint32_t before = static_cast<std::uint32_t>((sums << 8) >> shift) & 0xffu;
    return shift + detail::k_nth_in_byte[n - before][(w >> shift) & 0xffu];
}

struct portable_bits {
    static std::uint32_t count(std::uint64_t w) noexcept { return count_bits(w); }
    static std::uint32_t nth(std::uint64_t w, std::uint32_t n) noexcept { return nth_bit(w, n); }
};

#if defined(__x86_64__)
#define SIGRUN_FAST_BITS [[gnu::target("popcnt,bmi,bmi2")]]
struct fast_bits {
    SIGRUN_FAST_BITS static inline std::uint32_t count(std::uint64_t w) noexcept {
        return static_cast<std::uint32_t>(__builtin_popcountll(w));
    }
    SIGRUN_FAST_BITS static inline std::uint32_t nth(std::uint64_t w, std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>(__builtin_ctzll(__builtin_ia32_pdep_di(1ull << n, w)));
    }
};
/// AMD's processors before Zen 3 have the instruction, but take up to hundreds of cycles for it.
inline bool has_fast_bits() noexcept {
    return __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           !__builtin_cpu_is("amdfam15h") && !__builtin_cpu_is("amdfam17h");
}
#else
#define SIGRUN_FAST_BITS
using fast_bits = portable_bits;
inline bool has_fast_bits() noexcept { return false; }
#endif

}  // namespace sigrun::sdk
