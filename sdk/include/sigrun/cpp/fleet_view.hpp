// sigrun/cpp/fleet_view.hpp: reading a sigrun_view, for balancers. Everything in a view changes while it is
// read, so each word is loaded once, atomically. Header-only, no allocation, [hot].
#pragma once

#include <sigrun/balancer.h>
#include <sigrun/cpp/bit_select.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sigrun::sdk {

/// One relaxed load of shared memory.
template <class T>
inline T load_once(const T& shared) noexcept {
    T value;
    __atomic_load(&shared, &value, __ATOMIC_RELAXED);
    return value;
}

/// A generator whose whole state is one word: for the random bits of one request.
class bit_source {
public:
    explicit bit_source(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t next() noexcept {  // splitmix64
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// From 0 to n - 1, n at least 1.
    std::uint32_t below(std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>(((next() >> 32) * std::uint64_t{n}) >> 32);
    }

private:
    std::uint64_t state_;
};

/// A random set bit of a word that is not 0; every one is equally likely.
inline std::uint32_t random_bit(std::uint64_t w, bit_source& bits) noexcept {
    const std::uint32_t n = count_bits(w);
    return n == 1 ? static_cast<std::uint32_t>(std::countr_zero(w)) : nth_bit(w, bits.below(n));
}

/// Which page belongs to which cohort: another number after that has changed. Older hosts tell only of changes at large.
inline std::uint64_t layout_of(const sigrun_view& view) noexcept {
    constexpr std::size_t k_end = offsetof(sigrun_view, layout) + sizeof view.layout;
    return view.struct_size >= k_end && view.layout ? view.layout : view.epoch;
}

/// Words of a bitset over pages.
inline std::uint32_t page_words(const sigrun_view& view) noexcept { return (view.n_pages + 63) / 64; }

/// Of a feasible page: the slots that satisfy the request.
inline std::uint64_t matching_slots(const sigrun_view& view, std::uint32_t page) noexcept {
    constexpr std::size_t k_end = offsetof(sigrun_view, match) + sizeof view.match;
    if (view.struct_size < k_end || !view.match) [[likely]]
        return ~0ull;
    const std::uint64_t* words = __atomic_load_n(&view.match[page / SIGRUN_MATCH_PAGES], __ATOMIC_ACQUIRE);
    return words ? load_once(words[page % SIGRUN_MATCH_PAGES]) : ~0ull;
}

/// Older hosts keep no planes of all tiers together, and recordings have none.
inline bool has_all_tiers(const sigrun_view& view) noexcept {
    constexpr std::size_t k_end = offsetof(sigrun_view, page_any_all) + sizeof view.page_any_all;
    return view.struct_size >= k_end && view.idle_all && view.page_any_all;
}

/// The slots of feasible page `page` (of 64 slots) that can take this job now, whatever their tier.
inline std::uint64_t idle_slots(const sigrun_view& view, std::uint32_t page) noexcept {
    const std::uint64_t match = matching_slots(view, page);
    if (has_all_tiers(view)) return load_once(view.idle_all[page]) & match;
    std::uint64_t w = 0;
#pragma GCC unroll 8
    for (const std::uint64_t* plane : view.idle) w |= load_once(plane[page]);
    return w & match;
}
/// The same in one tier.
inline std::uint64_t idle_slots(const sigrun_view& view, std::uint32_t tier, std::uint32_t page) noexcept {
    return load_once(view.idle[tier][page]) & matching_slots(view, page);
}
/// The pages of word `word` of a page bitset that may have such slots.
inline std::uint64_t idle_pages(const sigrun_view& view, std::uint32_t word) noexcept {
    if (has_all_tiers(view)) return load_once(view.page_any_all[word]);
    std::uint64_t w = 0;
#pragma GCC unroll 8
    for (const std::uint64_t* plane : view.page_any) w |= load_once(plane[word]);
    return w;
}

}  // namespace sigrun::sdk
