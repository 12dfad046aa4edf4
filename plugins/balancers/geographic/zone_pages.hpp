// The pages of each zone, as bits. One per thread; follows the view's layout: runners that come, go or change in pages that are
// there do not move a page to another zone.
#pragma once

#include <sigrun/cpp/fleet_view.hpp>

#include <vector>

namespace sigrun::geographic {

class zone_pages {
public:
    /// Fleets of more than 4096 pages are looked at ten times a second at most. Allocates only when pages or zones became
    /// more than were seen before. [hot]
    void refresh(const sigrun_view& view, std::uint64_t now_ns);
    /// Word `w` of a zone's bits; a page that is new may be missing.
    std::uint64_t word(std::uint32_t zone, std::uint32_t w) const noexcept {
        return zone < zones_ && w < words_ ? bits_[std::size_t{zone} * words_ + w] : 0;
    }
    std::uint32_t words() const noexcept { return words_; }

private:
    std::uint64_t layout_ = 0, looked_ns_ = 0;
    std::uint32_t zones_ = 0, words_ = 0;
    std::vector<std::uint64_t> bits_;
};

}  // namespace sigrun::geographic
