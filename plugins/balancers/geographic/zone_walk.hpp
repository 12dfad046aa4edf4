// From the source of a job outwards: the zone that costs least, and an idle runner in it. One thread's.
#pragma once

#include "spill_control.hpp"
#include "zone_pages.hpp"

#include <sigrun/cpp/idle_choice.hpp>

#include <vector>

namespace sigrun::geographic {

class zone_walk {
public:
    explicit zone_walk(const spill_limits& limits) : limits_(limits), spills_(SIGRUN_ZONES) {}
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept;

private:
    struct candidate {
        std::uint32_t zone = SIGRUN_ZONE_UNKNOWN;
        double cost = 0;  // microseconds
        bool found() const noexcept { return zone != SIGRUN_ZONE_UNKNOWN; }
        void offer(std::uint32_t z, double c) noexcept {
            if (!found() || c < cost) *this = {z, c};
        }
    };
    struct choice {
        candidate home;     // if nobody had to wait
        candidate idle;     // with a place that is free
        candidate waiting;  // without
        /// What is further away costs at least this; 0: there is nothing, or nobody knows how far it is.
        double rest = 0;
    };
    choice walk(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages) noexcept;
    void draw(const sigrun_view& view, const std::uint64_t* pages, sdk::bit_source& bits, std::uint32_t want,
              bool any_tier, sigrun_pick& out) const noexcept;

    const spill_limits limits_;
    zone_pages zones_;
    std::vector<spill_control> spills_;  // by source
    std::vector<std::uint64_t> idle_;    // feasible pages that may have an idle place
    std::vector<std::uint64_t> mask_;    // of them, those of the chosen zone
};

}  // namespace sigrun::geographic
