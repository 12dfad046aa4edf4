// Where runners are: zones by name, how far they are from each other, and what waiting for a place in one costs. What
// sigrun_view says of zones is kept here.
//
// All measurements begin at this controller, so they say how far every zone is from it, and nothing of the way between two
// others: of that only declared coordinates tell. A network of coordinates fitted to the measurements (Vivaldi) needs
// nodes that measure each other; from one point it could only give back the round trips it was made of.
//
// Changes are serialised by the selector; reading is [any]. Distances are rebuilt where they change, off the hot path.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/select/reserved_array.hpp"

#include <sigrun/balancer.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// What the configuration says of a zone.
struct zone_declaration {
    std::string name;
    struct point {
        double latitude = 0, longitude = 0;  // degrees
    };
    std::optional<point> at;
    nanoseconds egress{0};  // what a job from elsewhere costs there, as time
};

class zone_board {
public:
    static constexpr std::size_t k_max_name = 64;

    zone_board();

    /// `own`: where this controller is; "" = it says nothing. Replaces what was declared before; zones stay. Busy if there
    /// are more than SIGRUN_ZONES - 1 of them. [one writer]
    result<void> declare(std::string_view own, std::vector<zone_declaration> zones);
    /// The number of a label's value, given at the first call; 0 for "", and for names beyond what there is room for.
    /// [one writer]
    std::uint16_t intern(std::string_view name);
    /// As a source of jobs: "" is where this controller is; SIGRUN_ZONE_UNKNOWN if nobody named the zone yet.
    /// [one writer]
    std::uint32_t source(std::string_view name);
    /// Runners with so many places were opened, or closed. [one writer]
    void add_places(std::uint16_t zone, std::int64_t places) noexcept;
    /// From here to a runner there. [one writer]
    void note_round_trip(std::uint16_t zone, nanoseconds rtt);
    /// A job held a place there for so long. [any]
    void note_exec(std::uint16_t zone, std::uint64_t us) noexcept;
    /// Jobs that wait now. [any]
    void note_waiting(std::uint32_t jobs) noexcept;

    void describe(sigrun_view& view) const noexcept;

private:
    struct place {
        std::string name;
        std::optional<zone_declaration::point> at;
        double measured_us = 0;  // smoothed; 0: never
    };
    std::uint32_t prior_us(const place& from, const place& to) const;
    void rebuild(std::uint32_t source);
    void rebuild_all();

    std::map<std::string, std::uint16_t, std::less<>> by_name_;
    std::vector<place> places_;           // by number
    std::vector<std::uint32_t> sources_;  // rows that somebody asked for
    std::uint16_t own_ = 0;
    std::atomic<std::uint32_t> n_zones_{1};
    reserved_array<std::uint16_t> order_;
    reserved_array<std::uint32_t> rtt_us_;
    reserved_array<sigrun_zone> zone_;
    std::uint32_t waiting_ = 0;
};

}  // namespace sigrun
