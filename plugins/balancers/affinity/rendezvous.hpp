// Rendezvous hashing with weights: of all runners the one with the lowest -log2(u) / weight gets the key, u being a hash
// of key and runner in (0, 1). That time is distributed like the first arrival of a process whose rate is the weight, so
// the shares are as the weights; a runner that joins or leaves changes only the keys that are or become its own. [hot]
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sigrun::affinity {

/// Every bit of x decides every bit of the result (the finalizer of splitmix64).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

namespace detail {

constexpr double log2_of(double y) {  // of 1 to 2, by the bits of the binary logarithm: each squaring yields one
    if (y >= 2) return 1;
    double bit = 0.5, sum = 0;
    for (int n = 0; n < 40; ++n, bit /= 2) {
        y *= y;
        if (y < 2) continue;
        y /= 2;
        sum += bit;
    }
    return sum;
}
inline constexpr auto k_log2 = [] {
    std::array<float, 257> table{};
    for (std::size_t i = 0; i < table.size(); ++i)
        table[i] = static_cast<float>(log2_of(1 + static_cast<double>(i) / 256));
    return table;
}();

}  // namespace detail

/// -log2(u), u = hash / 2^64. Straight lines between 256 points per octave: monotonic, so equal weights are exact, and off
/// by at most 3e-6. The same on every machine, so that keys stay where they are.
inline float arrival(std::uint64_t hash) noexcept {
    const auto zeros = static_cast<unsigned>(std::countl_zero(hash | 1));
    const std::uint64_t mantissa = hash << zeros << 1;
    const auto i = static_cast<std::size_t>(mantissa >> 56);
    const float part = static_cast<float>(mantissa >> 32 & 0xffffffu) * 0x1p-24f;
    // 1 - log2(mantissa), so that what is close to 0 keeps its digits.
    const float fraction = (1 - detail::k_log2[i]) - part * (detail::k_log2[i + 1] - detail::k_log2[i]);
    return static_cast<float>(zeros) + fraction;
}

}  // namespace sigrun::affinity
