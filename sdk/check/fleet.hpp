// A made-up fleet as a sigrun_view: two cohorts, pages of 64 slots, loads that the test sets.
#pragma once

#include <sigrun/balancer.h>

#include <array>
#include <cstdint>
#include <vector>

namespace sigrun::check {

class fleet {
public:
    static constexpr std::uint32_t k_slots_per_page = 64;
    explicit fleet(std::uint32_t pages, std::uint16_t places = 4);
    fleet(const fleet&) = delete;
    fleet& operator=(const fleet&) = delete;

    const sigrun_view& view() const noexcept { return view_; }
    std::uint32_t slots() const noexcept { return static_cast<std::uint32_t>(hot_.size()); }
    std::uint32_t load(std::uint32_t slot) const noexcept { return SIGRUN_HOT_INFLIGHT(hot_[slot]); }
    /// A full slot is in no tier and no level.
    void set_load(std::uint32_t slot, std::uint32_t jobs);
    bool free(std::uint32_t slot) const noexcept { return load(slot) < places_; }
    /// Bits of the pages a request may use.
    const std::vector<std::uint64_t>& pages_of(bool all) const noexcept { return all ? all_ : odd_; }
    /// `all`: of the predicate whose pages are pages_of(true). A predicate has one set of pages, and balancers rely on it.
    sigrun_req request(std::uint64_t random, std::uint16_t alternates = 1, bool all = true) const noexcept;

private:
    void put(std::vector<std::uint64_t>& plane, std::vector<std::uint64_t>& any, std::uint32_t slot, bool on);

    std::uint16_t places_;
    std::vector<std::uint64_t> hot_, all_, odd_;
    std::array<std::vector<std::uint64_t>, SIGRUN_TIERS> idle_, any_;
    std::array<std::vector<std::uint64_t>, SIGRUN_LEVELS> level_, level_any_;
    std::array<const std::uint64_t*, SIGRUN_LEVELS> levels_{}, levels_any_{};
    std::vector<std::uint32_t> page_cohort_;
    std::array<sigrun_cohort, 2> cohorts_{};
    sigrun_view view_{};
};

}  // namespace sigrun::check
