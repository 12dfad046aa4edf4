// The 64 bits that say all about a slot on the hot path; layout in sigrun/balancer.h. One compare-and-swap on
// it claims or releases a place, and fails if the slot was closed, moved or given to another runner
// meanwhile.
#pragma once

#include <cmath>
#include <cstdint>

namespace sigrun::hot {

constexpr std::uint64_t k_open = 1ull << 51;     // may be picked
constexpr std::uint64_t k_used = 1ull << 52;     // belongs to a runner
constexpr std::uint64_t k_forward = 1ull << 53;  // the runner moved; claims made here are counted at its new slot
constexpr std::uint32_t k_max_in_flight = 0xffff;
constexpr int k_nowhere = -1;

constexpr std::uint32_t in_flight(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w & 0xffffu); }
constexpr std::uint8_t generation(std::uint64_t w) noexcept { return static_cast<std::uint8_t>(w >> 56); }

/// clamp(2 + floor(2 * (log2 R + q / C)), 0, 7) with R, the relative cost of a job there, taken as 1: nothing
/// measures costs yet, so load alone decides.
constexpr std::uint32_t tier(std::uint32_t q, std::uint32_t places) noexcept {
    if (q < places) return 2 * q < places ? 2 : 3;
    const std::uint32_t t = 2 + 2 * q / (places ? places : 1);
    return t < 7 ? t : 7;
}
constexpr std::uint64_t with_in_flight(std::uint64_t w, std::uint32_t q, std::uint32_t places) noexcept {
    constexpr std::uint64_t mask = 0xffffu | (7ull << 48);
    return (w & ~mask) | q | (static_cast<std::uint64_t>(tier(q, places)) << 48);
}
constexpr bool can_take(std::uint64_t w, std::uint32_t places) noexcept {
    return (w & k_open) && in_flight(w) < places;
}
/// The plane the slot's bit belongs in, or k_nowhere.
constexpr int tier_plane(std::uint64_t w, std::uint32_t places) noexcept {
    return can_take(w, places) ? static_cast<int>((w >> 48) & 7u) : k_nowhere;
}
constexpr int level_plane(std::uint64_t w, std::uint32_t places) noexcept {
    if (!can_take(w, places)) return k_nowhere;
    return in_flight(w) < 63 ? static_cast<int>(in_flight(w)) : 63;
}
/// A used, closed slot.
inline std::uint64_t fresh(std::uint8_t generation, std::uint32_t places) noexcept {
    const std::uint64_t cost = 256 * 64;  // 256 * (log2 R + 64), R = 1
    const auto invcap = static_cast<std::uint64_t>(4096 - 256 * std::log2(static_cast<double>(places)));
    return with_in_flight(cost << 16 | invcap << 32 | k_used | static_cast<std::uint64_t>(generation) << 56, 0, places);
}

}  // namespace sigrun::hot
