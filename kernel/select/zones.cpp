#include "kernel/select/zones.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace sigrun {
namespace {

/// Writes what others read meanwhile.
template <class T>
void put(T& shared, T value) noexcept {
    std::atomic_ref<T>(shared).store(value, std::memory_order_relaxed);
}
template <class T>
T get(T& shared) noexcept {
    return std::atomic_ref<T>(shared).load(std::memory_order_relaxed);
}

std::uint32_t in_us(double us) noexcept {
    return static_cast<std::uint32_t>(std::clamp(us, 0.0, static_cast<double>(SIGRUN_UNKNOWN_US - 1)));
}

/// There and back along the great circle at two thirds of the speed of light, as in glass.
double round_trip_us(const zone_declaration::point& a, const zone_declaration::point& b) {
    constexpr double k_radius_km = 6371, k_km_per_us = 0.299792458 * 2 / 3;
    const auto radians = [](double degrees) { return degrees * std::numbers::pi / 180; };
    const double lat_a = radians(a.latitude), lat_b = radians(b.latitude);
    const double sin_lat = std::sin((lat_a - lat_b) / 2), sin_lon = std::sin(radians(a.longitude - b.longitude) / 2);
    const double h = sin_lat * sin_lat + std::cos(lat_a) * std::cos(lat_b) * sin_lon * sin_lon;
    return 2 * 2 * k_radius_km * std::asin(std::sqrt(std::min(h, 1.0))) / k_km_per_us;
}

}  // namespace

zone_board::zone_board()
    : order_(std::size_t{SIGRUN_ZONES} * SIGRUN_ZONES),
      rtt_us_(std::size_t{SIGRUN_ZONES} * SIGRUN_ZONES),
      zone_(SIGRUN_ZONES) {
    places_.emplace_back();
    zone_[0].exec_us = SIGRUN_UNKNOWN_US;
    sources_.push_back(0);
    rebuild(0);
}

result<void> zone_board::declare(std::string_view own, std::vector<zone_declaration> zones) {
    for (place& p : places_) p.at.reset();
    for (std::size_t i = 0; i < places_.size(); ++i) put(zone_[i].egress_us, 0u);
    for (const zone_declaration& d : zones) {
        const std::uint16_t z = intern(d.name);
        if (!z) return problem{errc::busy, "there are too many zones", "zone", "at most 1023", d.name};
        places_[z].at = d.at;
        put(zone_[z].egress_us, in_us(static_cast<double>(d.egress.count()) / 1000));
    }
    const std::uint16_t before = own_;
    own_ = intern(own);
    if (!own.empty() && !own_)
        return problem{errc::busy, "there are too many zones", "zone", "at most 1023", std::string(own)};
    if (own_ != before && std::find(sources_.begin(), sources_.end(), own_) == sources_.end()) sources_.push_back(own_);
    rebuild_all();
    return {};
}

std::uint16_t zone_board::intern(std::string_view name) {
    if (name.empty() || name.size() > k_max_name) return 0;
    if (const auto known = by_name_.find(name); known != by_name_.end()) return known->second;
    if (places_.size() >= SIGRUN_ZONES) return 0;
    const auto z = static_cast<std::uint16_t>(places_.size());
    by_name_.emplace(name, z);
    places_.emplace_back().name = name;
    zone_[z].exec_us = SIGRUN_UNKNOWN_US;
    n_zones_.store(z + 1u, std::memory_order_release);
    rebuild_all();
    return z;
}

std::uint32_t zone_board::source(std::string_view name) {
    if (name.empty()) return own_;
    const auto known = by_name_.find(name);
    if (known == by_name_.end()) return SIGRUN_ZONE_UNKNOWN;
    if (std::find(sources_.begin(), sources_.end(), known->second) == sources_.end()) {
        rebuild(known->second);
        sources_.push_back(known->second);
    }
    return known->second;
}

void zone_board::add_places(std::uint16_t zone, std::int64_t places) noexcept {
    put(zone_[zone].places, static_cast<std::uint32_t>(std::max<std::int64_t>(get(zone_[zone].places) + places, 0)));
}

void zone_board::note_round_trip(std::uint16_t zone, nanoseconds rtt) {
    if (rtt.count() <= 0) return;
    double& smoothed = places_[zone].measured_us;
    const double us = static_cast<double>(rtt.count()) / 1000;
    smoothed = smoothed > 0 ? smoothed + 0.1 * (us - smoothed) : us;
    const double told = get(rtt_us_[std::size_t{own_} * SIGRUN_ZONES + zone]);
    if (std::abs(smoothed - told) > 0.05 * told) rebuild(own_);  // less is noise, and orders nothing anew
}

void zone_board::note_exec(std::uint16_t zone, std::uint64_t us) noexcept {
    std::uint32_t& shared = zone_[zone].exec_us;
    const double before = get(shared), now = static_cast<double>(us);
    put(shared, in_us(get(shared) == SIGRUN_UNKNOWN_US ? now : before + 0.05 * (now - before) + 0.5));
}

void zone_board::note_waiting(std::uint32_t jobs) noexcept {
    if (get(waiting_) != jobs) put(waiting_, jobs);
}

std::uint32_t zone_board::prior_us(const place& from, const place& to) const {
    return from.at && to.at ? in_us(round_trip_us(*from.at, *to.at)) : SIGRUN_UNKNOWN_US;
}

void zone_board::rebuild(std::uint32_t source) {
    const std::size_t row = std::size_t{source} * SIGRUN_ZONES;
    const bool here = source == own_;
    std::vector<std::uint32_t> rtt(places_.size());
    for (std::size_t z = 0; z < rtt.size(); ++z) {
        const place& to = places_[z];
        rtt[z] = here && to.measured_us > 0 ? in_us(to.measured_us)
                 : z == source && z         ? 0
                                            : prior_us(places_[source], to);
        put(rtt_us_[row + z], rtt[z]);
    }
    std::vector<std::uint16_t> order(rtt.size());
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rtt[a] < rtt[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) put(order_[row + i], order[i]);
}

void zone_board::rebuild_all() {
    for (const std::uint32_t source : sources_) rebuild(source);
}

void zone_board::describe(sigrun_view& view) const noexcept {
    view.n_zones = n_zones_.load(std::memory_order_acquire);
    view.zone_order = order_.data();
    view.zone_rtt_us = rtt_us_.data();
    view.zone = zone_.data();
    view.waiting = &waiting_;
}

}  // namespace sigrun
