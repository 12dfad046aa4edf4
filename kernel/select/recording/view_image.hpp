// A copy of all that a balancer reads: kept up to date from a live view while recording, or from a recording while
// replaying. What differs from the copy before is all that has to be written.
#pragma once

#include <sigrun/balancer.h>

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace sigrun {

class view_image {
public:
    /// Arrays of 64-bit words, in the order in which they are numbered in a recording.
    static constexpr std::uint16_t k_hot = 0, k_idle = 1, k_page_any = k_idle + SIGRUN_TIERS,
                                   k_page_cohort = k_page_any + SIGRUN_TIERS, k_cohort = k_page_cohort + 1,
                                   k_identity = k_cohort + 1, k_feasible = k_identity + 1, k_level = k_feasible + 1,
                                   k_level_any = k_level + SIGRUN_LEVELS, k_zone_order = k_level_any + SIGRUN_LEVELS,
                                   k_zone_rtt = k_zone_order + 1, k_zone = k_zone_rtt + 1, k_waiting = k_zone + 1,
                                   k_sections = k_waiting + 1;
    struct shape {
        std::uint64_t epoch = 0;
        std::uint32_t slots = 0, pages = 0, cohorts = 0, zones = 0;
        friend bool operator==(const shape&, const shape&) = default;
    };

    static shape shape_of(const sigrun_view& live) noexcept;

    explicit view_image(bool levels) : levels_(levels) {}
    view_image(const view_image&) = delete;
    view_image& operator=(const view_image&) = delete;

    /// Words that are new are 0. Slots are 64 to a page.
    void set_shape(const shape& s);
    const shape& current() const noexcept { return shape_; }
    bool has_levels() const noexcept { return levels_; }

    /// Copies what `live` and the feasible pages hold now, of the shape that was set, and tells of each word that changed. What
    /// others add meanwhile is left out: the copy is sound.
    using changed_fn = std::function<void(std::uint16_t section, std::uint32_t index, std::uint64_t value)>;
    void follow(const sigrun_view& live, const std::uint64_t* feasible, const changed_fn& changed);
    /// One word, from a recording. False: there is no such word.
    bool put(std::uint16_t section, std::uint32_t index, std::uint64_t value) noexcept;
    /// Whether every page belongs to a cohort that is there, no page is feasible that is not there, and the order of zones
    /// names those there are, so that a balancer may read it.
    bool sound() const noexcept;

    sigrun_view view() const noexcept;
    const std::uint64_t* feasible() const noexcept { return words_[k_feasible].data(); }

private:
    void follow_zones(const sigrun_view& live, const changed_fn& changed);
    bool zones_sound() const noexcept;
    std::size_t words_of(std::uint16_t section) const noexcept;

    const bool levels_;
    shape shape_;
    std::array<std::vector<std::uint64_t>, k_sections> words_;
    std::array<const std::uint64_t*, SIGRUN_LEVELS> level_{}, level_any_{};
};

}  // namespace sigrun
