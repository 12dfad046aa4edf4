// Who is in the fleet, by group: a runner's identity says in which of 512 groups it is, wherever its slot. Ranking the
// groups and then the runners of one of them costs a few hundred steps even where there are 100,000 runners. One per
// thread.
#pragma once

#include <sigrun/cpp/fleet_view.hpp>

#include <span>
#include <vector>

namespace sigrun::affinity {

class member_table {
public:
    static constexpr std::uint32_t k_groups = 512;
    static constexpr std::uint16_t k_nobody = 0xffff;

    static std::uint32_t group_of(std::uint64_t mixed_identity) noexcept {
        return static_cast<std::uint32_t>(mixed_identity >> 55);
    }
    /// Follows the view. Large fleets are looked at ten times a second at most: who came since then gets no keys yet, and
    /// who went is passed over. Allocates only when the fleet outgrew what was seen before. [hot]
    void refresh(const sigrun_view& view, std::uint64_t now_ns);
    /// Another number after each change.
    std::uint64_t version() const noexcept { return version_; }
    std::span<const std::uint32_t> members(std::uint32_t group) const noexcept {
        return {slots_.data() + first_[group], first_[group + 1] - first_[group]};
    }
    std::uint32_t pages() const noexcept { return static_cast<std::uint32_t>(live_.size()); }
    /// Slots of a page that have a runner.
    std::uint64_t live(std::uint32_t page) const noexcept { return live_[page]; }
    std::uint16_t group_at(std::uint32_t slot) const noexcept { return group_[slot]; }

private:
    std::uint64_t epoch_ = 0, version_ = 0, looked_ns_ = 0;
    std::vector<std::uint64_t> live_;   // by page
    std::vector<std::uint16_t> group_;  // by slot
    std::vector<std::uint32_t> slots_;  // by group
    std::uint32_t first_[k_groups + 1] = {};
};

}  // namespace sigrun::affinity
