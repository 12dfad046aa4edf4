// From the source of a job outwards: the zone that costs least, and an idle runner in it. One thread's.
#pragma once

#include "zone_pages.hpp"

#include <sigrun/cpp/idle_choice.hpp>

#include <limits>
#include <vector>

namespace sigrun::geographic {

class zone_walk {
public:
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept;

private:
    struct candidate {
        std::uint32_t zone = SIGRUN_ZONE_UNKNOWN;
        double cost = std::numeric_limits<double>::infinity();  // microseconds
        bool found() const noexcept { return zone != SIGRUN_ZONE_UNKNOWN; }
        void offer(std::uint32_t z, double c) noexcept {
            if (c < cost) *this = {z, c};
        }
    };
    /// The first place that becomes free in any of some full zones, for the last of those that wait.
    class first_free {
    public:
        explicit first_free(double jobs_before) noexcept : before_(jobs_before) {}
        void add(double cost, double places_per_us) noexcept;
        /// Wait and way, in microseconds; infinite where nothing is known.
        double cost() const noexcept { return cost_; }

    private:
        double before_, rate_ = 0, weighted_ = 0;
        double cost_ = std::numeric_limits<double>::infinity();
    };
    struct choice {
        candidate home;        // if nobody had to wait
        candidate idle;        // with a place that is free
        double waiting = 0;    // what it costs to wait for a place nearer than that
        bool all_seen = true;  // of those whose distance is known
    };
    choice walk(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages) noexcept;
    void draw(const sigrun_view& view, const std::uint64_t* pages, sdk::bit_source& bits, std::uint32_t want,
              bool any_tier, sigrun_pick& out) const noexcept;

    zone_pages zones_;
    std::vector<std::uint64_t> idle_;  // feasible pages that may have an idle place
    std::vector<std::uint64_t> mask_;  // of them, those of the chosen zone
};

}  // namespace sigrun::geographic
