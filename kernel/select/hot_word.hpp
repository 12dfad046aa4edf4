// The 64 bits that say all about a slot on the hot path; layout in sigrun/balancer.h. One compare-and-swap on
// it claims or releases a place, and fails if the slot was closed, moved or given to another runner
// meanwhile.
#pragma once

#include <sigrun/balancer.h>

#include <cmath>
#include <cstdint>

namespace sigrun {

/// What claiming and costs need to know of a page: constant while the page belongs to a cohort and nothing is tuned.
struct page_facts {
    std::uint16_t places = 0, protocols = 0;
    std::uint16_t usual = 0;      // of the places, those that are given away before other runners are as loaded
    bool reserved = false;        // those beyond are for urgent jobs alone
    std::uint16_t weight = 1024;  // 1024 = 1.0
};

namespace hot {

constexpr std::uint64_t k_open = 1ull << 51;     // may be picked
constexpr std::uint64_t k_used = 1ull << 52;     // belongs to a runner
constexpr std::uint64_t k_forward = 1ull << 53;  // the runner moved; claims made here are counted at its new slot
constexpr std::uint64_t k_out = 1ull << 54;      // ejected: it failed too often
constexpr std::uint64_t k_trial = 1ull << 55;    // back from there: one job at a time until one succeeds
constexpr std::uint32_t k_max_in_flight = 0xffff;
constexpr std::uint32_t k_neutral_cost = 64 * 256;

/// Where the bit of a slot belongs: a tier, or one of those that balancers do not see.
constexpr int k_nowhere = -1;
constexpr int k_kept = SIGRUN_TIERS;         // only urgent jobs may take the places it has left
constexpr int k_ejected = SIGRUN_TIERS + 1;  // only in a panic
constexpr int k_planes = SIGRUN_TIERS + 2;

constexpr std::uint32_t in_flight(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w & 0xffffu); }
constexpr std::uint32_t cost(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w >> 16 & 0xffffu); }
constexpr std::uint8_t generation(std::uint64_t w) noexcept { return static_cast<std::uint8_t>(w >> 56); }

/// clamp(2 + floor(2 * (log2 R + q / C) + 1/2), 0, 7): twice as slow counts like a full load. Rounded, so that
/// runners of nearly equal cost are not told apart.
constexpr std::uint32_t tier(std::uint32_t q, std::uint32_t places, std::uint32_t cost) noexcept {
    const auto load = static_cast<std::int32_t>(q ? 256 * q / (places ? places : 1) : 0);
    const std::int32_t t =
        2 + ((static_cast<std::int32_t>(cost) - static_cast<std::int32_t>(k_neutral_cost) + load + 64) >> 7);
    return static_cast<std::uint32_t>(t < 0 ? 0 : t > 7 ? 7 : t);
}
constexpr std::uint64_t with_tier(std::uint64_t w, std::uint32_t places) noexcept {
    return (w & ~(7ull << 48)) | static_cast<std::uint64_t>(tier(in_flight(w), places, cost(w))) << 48;
}
constexpr std::uint64_t with_in_flight(std::uint64_t w, std::uint32_t q, std::uint32_t places) noexcept {
    return with_tier((w & ~0xffffull) | q, places);
}
constexpr std::uint64_t with_cost(std::uint64_t w, std::uint32_t cost, std::uint32_t places) noexcept {
    return with_tier((w & ~(0xffffull << 16)) | static_cast<std::uint64_t>(cost) << 16, places);
}

/// Where some places are given away only when all runners are as loaded, they have the last planes for themselves: the faster
/// runner first there, too.
constexpr int k_first_unusual = 5;
constexpr int unusual_plane(int tier) noexcept {
    return k_first_unusual + (tier <= 3   ? 0
                              : tier <= 5 ? 1
                                          : 2);  // about half, one, two times the time of the mean runner
}

/// The plane the slot's bit belongs in, or k_nowhere.
constexpr int tier_plane(std::uint64_t w, page_facts page) noexcept {
    const std::uint32_t q = in_flight(w);
    if (!(w & k_open) || !page.protocols || q >= (w & k_trial ? 1u : page.places)) return k_nowhere;
    if (w & k_out) return k_ejected;
    const int tier = static_cast<int>(w >> 48 & 7u);
    if (page.usual >= page.places) return tier;
    if (q < page.usual) return tier < k_first_unusual ? tier : k_first_unusual - 1;
    return page.reserved ? k_kept : unusual_plane(tier);
}
/// 0 in any tier that balancers see, else k_nowhere.
constexpr int all_plane(std::uint64_t w, page_facts page) noexcept {
    const int tier = tier_plane(w, page);
    return tier >= 0 && tier < SIGRUN_TIERS ? 0 : k_nowhere;
}
constexpr bool can_take(std::uint64_t w, page_facts page) noexcept { return tier_plane(w, page) != k_nowhere; }
constexpr int level_plane(std::uint64_t w, page_facts page) noexcept {
    const int tier = tier_plane(w, page);
    if (tier < 0 || tier >= SIGRUN_TIERS) return k_nowhere;
    return in_flight(w) < SIGRUN_LEVELS - 1 ? static_cast<int>(in_flight(w)) : SIGRUN_LEVELS - 1;
}
/// A used, closed slot.
inline std::uint64_t fresh(std::uint8_t generation, std::uint32_t places) noexcept {
    const auto invcap = static_cast<std::uint64_t>(4096 - 256 * std::log2(static_cast<double>(places)));
    return with_tier(static_cast<std::uint64_t>(k_neutral_cost) << 16 | invcap << 32 | k_used |
                         static_cast<std::uint64_t>(generation) << 56,
                     places);
}

}  // namespace hot
}  // namespace sigrun
