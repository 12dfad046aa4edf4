// The slots with the lowest load of those that can take a job. [hot]
#pragma once

#include "capacity_classes.hpp"

namespace sigrun::least_connections {

/// load = jobs in flight / (places * weight), as a fraction.
struct load {
    std::uint64_t jobs = 0, capacity = 1;
    friend bool operator<(const load& a, const load& b) noexcept { return a.jobs * b.capacity < b.jobs * a.capacity; }
};

struct found {
    std::uint32_t slot = 0;
    load value;
};

/// Fills up to `want` slots, the least loaded first, ties in random order among the first; returns how many.
std::uint32_t lowest(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                     const std::vector<capacity_class>& classes, std::uint32_t want, found* out) noexcept;

}  // namespace sigrun::least_connections
