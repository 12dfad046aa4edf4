// Pages grouped by places * weight: inside a group the fewest jobs in flight is the lowest load. One per
// thread, rebuilt when pages come, go or change hands.
#pragma once

#include <sigrun/cpp/fleet_view.hpp>

#include <vector>

namespace sigrun::least_connections {

struct capacity_class {
    std::uint64_t capacity = 0;        // places * weight
    std::vector<std::uint64_t> pages;  // a bit per page
};

class capacity_classes {
public:
    /// Allocates only when the fleet outgrew what was seen before, or a capacity is new.
    void refresh(const sigrun_view& view);
    /// Largest capacity first.
    const std::vector<capacity_class>& all() const noexcept { return classes_; }

private:
    std::uint64_t layout_ = 0;
    std::vector<capacity_class> classes_;
};

}  // namespace sigrun::least_connections
