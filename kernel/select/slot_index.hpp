// The arrays that picking works on: hot words, and the planes of bits derived from them (selection.md section
// 2).
//
// Slot = page * 64 + bit. The hot word of a slot is the truth; its bits in the tier and level planes follow
// it: whoever changes a word calls settle, which moves the bit and looks at the word again until both agree.
// Lock-free.
#pragma once

#include "kernel/select/estimate.hpp"
#include "kernel/select/hot_word.hpp"
#include "kernel/select/reserved_array.hpp"

#include <sigrun/balancer.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace sigrun {

using atomic_word = std::atomic<std::uint64_t>;
static_assert(sizeof(atomic_word) == 8 && atomic_word::is_always_lock_free);

constexpr std::uint32_t page_of(std::uint32_t slot) noexcept { return slot >> 6; }
constexpr std::uint64_t bit_of(std::uint32_t slot) noexcept { return 1ull << (slot & 63u); }

/// One bit per slot in each of N planes, and above it one bit per page that has some.
class plane_set {
public:
    plane_set() = default;
    plane_set(std::size_t planes, std::size_t pages);
    bool kept() const noexcept { return !bits_.empty(); }
    void set(int plane, std::uint32_t slot) noexcept;
    void clear(int plane, std::uint32_t slot) noexcept;
    std::uint64_t slots(int plane, std::uint32_t page) const noexcept {
        return bits_[static_cast<std::size_t>(plane)][page].load(std::memory_order_relaxed);
    }
    std::uint64_t pages(int plane, std::uint32_t word) const noexcept {
        return any_[static_cast<std::size_t>(plane)][word].load(std::memory_order_relaxed);
    }
    int count() const noexcept { return static_cast<int>(bits_.size()); }
    /// For sigrun_view.
    const std::uint64_t* slot_plane(std::size_t plane) const noexcept {
        return reinterpret_cast<const std::uint64_t*>(bits_[plane].data());
    }
    const std::uint64_t* page_plane(std::size_t plane) const noexcept {
        return reinterpret_cast<const std::uint64_t*>(any_[plane].data());
    }

private:
    std::vector<reserved_array<atomic_word>> bits_, any_;
};

class slot_index {
public:
    slot_index(std::uint32_t max_pages, bool with_levels);

    std::uint32_t max_pages() const noexcept { return max_pages_; }
    std::uint32_t page_words() const noexcept { return (max_pages_ + 63) / 64; }
    atomic_word& hot(std::uint32_t slot) const noexcept { return hot_[slot]; }
    /// Slots of a page that belong to a runner.
    atomic_word& live(std::uint32_t page) const noexcept { return live_[page]; }
    /// Where the runner of a forwarding slot went: slot | generation << 32.
    atomic_word& forward(std::uint32_t slot) const noexcept { return forward_[slot]; }

    /// Of its runner, for sigrun_view; 0 = none.
    atomic_word& identity(std::uint32_t slot) const noexcept { return identity_[slot]; }
    runner_estimate& estimate(std::uint32_t slot) const noexcept { return estimates_[slot]; }

    page_facts page(std::uint32_t p) const noexcept {
        const std::uint64_t w = page_facts_[p].load(std::memory_order_acquire);
        return {static_cast<std::uint16_t>(w), static_cast<std::uint16_t>(w >> 16),
                static_cast<std::uint16_t>(w >> 32 & 0x7fff), (w >> 47 & 1) != 0, static_cast<std::uint16_t>(w >> 48)};
    }
    /// [one writer] Gives a page to a cohort.
    void assign_page(std::uint32_t p, std::uint32_t cohort, page_facts facts) noexcept;
    /// [one writer] The same cohort, other facts.
    void set_page(std::uint32_t p, page_facts facts) noexcept;
    sigrun_cohort& cohort(std::uint32_t c) const noexcept { return cohorts_[c]; }
    std::uint32_t cohort_of(std::uint32_t p) const noexcept {
        return std::atomic_ref<std::uint32_t>(page_cohort_[p]).load(std::memory_order_relaxed);
    }

    /// The word of `slot`, in such a page, went from `before` to `after` by this thread. True if
    /// another thread moved the bit at the same time and had to be corrected, so that the slot may have
    /// looked busy for a moment.
    bool settle(std::uint32_t slot, page_facts page, std::uint64_t before, std::uint64_t after) noexcept;
    /// Planes that disagree with the word; exact only while nobody picks.
    std::uint32_t faults(std::uint32_t slot) const noexcept;
    void repair(std::uint32_t slot) noexcept;

    /// The tiers, and the planes that balancers do not see.
    const plane_set& tiers() const noexcept { return tiers_; }
    /// One plane: the tiers together.
    const plane_set& all() const noexcept { return all_; }
    /// Fills all but epoch and the counts.
    void describe(sigrun_view& view) const noexcept;

private:
    using plane_rule = int(std::uint64_t, page_facts) noexcept;
    template <plane_rule Plane>
    bool settle_in(plane_set& planes, std::uint32_t slot, page_facts page, std::uint64_t before,
                   std::uint64_t after) noexcept;
    template <plane_rule Plane>
    int plane_now(std::uint32_t slot) const noexcept;

    std::uint32_t max_pages_;
    reserved_array<atomic_word> hot_, live_, forward_, identity_;
    reserved_array<runner_estimate> estimates_;
    reserved_array<atomic_word> page_facts_;
    reserved_array<std::uint32_t> page_cohort_;
    reserved_array<sigrun_cohort> cohorts_;
    plane_set tiers_, all_, levels_;
    std::array<const std::uint64_t*, SIGRUN_LEVELS> level_table_{}, level_any_table_{};
};

}  // namespace sigrun
