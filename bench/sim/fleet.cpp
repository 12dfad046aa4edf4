#include "bench/sim/fleet.hpp"

#include <algorithm>
#include <limits>

namespace sigrun::sim {
namespace {

constexpr nanos k_slow_for = 200 * k_ms;
constexpr nanos k_well_for = 1'800 * k_ms;  // mean
constexpr double k_slow_factor = 0.25;
constexpr nanos k_never = std::numeric_limits<nanos>::max();

/// By position and not by draw, so that the capacity of a fleet does not depend on the seed.
double speed_of(std::uint32_t index) {
    const std::uint32_t tenth = index % 10;
    return tenth < 5 ? 1.0 : tenth < 8 ? 0.5 : 2.0;
}

/// Spread over all speeds: tenths of each ten runners, at another position in each ten.
bool in_share(std::uint32_t index, double share) { return (index + index / 10) % 10 < share * 10; }

}  // namespace

machine::machine(const regime& r, std::uint64_t seed, std::uint32_t index, nanos half_way)
    : moods_(seed, purpose::moods, index), slow_phases_(r.slow_phases), degrades_at_(k_never) {
    random_stream traits(seed, purpose::traits, index);
    if (r.mixed_speeds) base_speed = speed_of(index);
    sinkhole = in_share(index, r.sinkholes);
    degrades = in_share(index, r.degraded);
    if (degrades) degrades_at_ = half_way;
    zone = index / 10 % r.zones;
    if (r.zones > 1)
        rtt = k_zone_rtt[zone];
    else if (r.rtt_high > 0)
        rtt = static_cast<nanos>(
            static_cast<double>(r.rtt_low) *
            std::pow(static_cast<double>(r.rtt_high) / static_cast<double>(r.rtt_low), traits.unit()));
    if (!slow_phases_) {
        ends_.push_back(k_never);
        return;
    }
    // In the midst of life at time 0.
    slow_ = traits.unit() < 0.1;
    ends_.push_back(slow_ ? static_cast<nanos>(traits.unit() * k_slow_for)
                          : static_cast<nanos>(traits.exponential(static_cast<double>(k_well_for))));
}

void machine::look_ahead(nanos until) {
    while (ends_.back() <= until) {
        const bool next_slow = slow_ != (ends_.size() % 2 == 1);
        ends_.push_back(ends_.back() + (next_slow
                                            ? k_slow_for
                                            : static_cast<nanos>(moods_.exponential(static_cast<double>(k_well_for)))));
    }
}

double machine::speed_in(std::size_t phase, nanos at) const noexcept {
    const bool slow = slow_phases_ && slow_ != (phase % 2 == 1);
    return base_speed * (slow ? k_slow_factor : 1) * (at >= degrades_at_ ? k_slow_factor : 1);
}

double machine::speed(nanos now) {
    look_ahead(now);
    while (ends_.front() <= now) {
        ends_.pop_front();
        slow_ = !slow_;
    }
    return speed_in(0, now);
}

nanos machine::finish(nanos now, nanos work) {
    double left = static_cast<double>(work);
    double pace = speed(now);
    for (std::size_t phase = 0;; ++phase) {
        if (phase == ends_.size()) look_ahead(ends_.back());
        pace = speed_in(phase, now);
        nanos end = ends_[phase];
        if (now < degrades_at_ && degrades_at_ < end) {
            // The phase has two parts.
            const double part = pace * static_cast<double>(degrades_at_ - now);
            if (part < left) {
                left -= part;
                now = degrades_at_;
                pace = speed_in(phase, now);
            } else {
                end = degrades_at_;
            }
        }
        const double room =
            end == k_never ? std::numeric_limits<double>::infinity() : pace * static_cast<double>(end - now);
        if (left <= room) return now + std::max<nanos>(1, static_cast<nanos>(left / pace));
        left -= room;
        now = end;
    }
}

std::vector<machine> build_fleet(const regime& r, std::uint64_t seed, nanos half_way) {
    std::vector<machine> out;
    out.reserve(r.runners);
    for (std::uint32_t i = 0; i < r.runners; ++i) out.emplace_back(r, seed, i, half_way);
    return out;
}

double capacity(const regime& r) {
    double speeds = 0;
    for (std::uint32_t i = 0; i < r.runners; ++i) {
        const machine m(r, 1, i, 0);
        if (!m.sinkhole) speeds += m.base_speed;
    }
    const double awake = r.slow_phases ? 0.9 + 0.1 * k_slow_factor : 1.0;
    return speeds * awake * r.places * static_cast<double>(k_second) / static_cast<double>(k_mean_job);
}

}  // namespace sigrun::sim
