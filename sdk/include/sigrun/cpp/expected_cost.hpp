// sigrun/cpp/expected_cost.hpp: how long one more job is expected to take on a runner, from its hot word alone, so that
// runners are compared with a few integer additions. Header-only, no allocation, [hot].
#pragma once

#include <sigrun/balancer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sigrun::sdk {
namespace detail {

/// round(256 * log2(1 + i / 256)), by the bits of the binary logarithm: each squaring yields one.
constexpr std::uint16_t log2_fraction(unsigned i) {
    double y = 1 + i / 256.0, bit = 0.5, sum = 0;
    for (int n = 0; n < 24; ++n, bit /= 2) {
        y *= y;
        if (y < 2) continue;
        y /= 2;
        sum += bit;
    }
    return static_cast<std::uint16_t>(256 * sum + 0.5);
}
inline constexpr auto k_log2_fractions = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned i = 0; i < table.size(); ++i) table[i] = log2_fraction(i);
    return table;
}();

}  // namespace detail

/// 256 * log2(x), within 2 of the exact value. x must not be 0.
constexpr std::uint32_t log2_256(std::uint32_t x) noexcept {
    const auto whole = static_cast<std::uint32_t>(31 - std::countl_zero(x));
    const std::uint32_t mantissa = whole >= 8 ? x >> (whole - 8) : x << (8 - whole);
    return 256 * whole + detail::k_log2_fractions[mantissa & 0xffu];
}

/// 256 * (log2 of the expected cost of one more job there + 64); lower is better. With a free place a job does not wait,
/// so more places are not faster: cost * max(1, (q + 1) / places).
constexpr std::uint32_t expected_cost(std::uint64_t hot_word) noexcept {
    const std::uint32_t load = log2_256(SIGRUN_HOT_INFLIGHT(hot_word) + 1) + SIGRUN_HOT_INVCAP(hot_word);
    return SIGRUN_HOT_COST(hot_word) + (std::max(load, 4096u) - 4096u);
}

}  // namespace sigrun::sdk
