// A fleet for tests of balancers, kept by hand as a host keeps it: hot words, tier planes, cohorts, identities.
#pragma once

#include <sigrun/balancer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace sigrun::test {

class hand_kept_fleet {
public:
    struct kind {
        std::uint16_t places = 1, weight = 1024, zone = 0;
    };
    /// `n` runners of a kind in pages of their own; identities count up from `first_identity`. Returns the first slot.
    std::uint32_t add(std::uint32_t n, kind k, std::uint64_t first_identity) {
        const auto first = static_cast<std::uint32_t>(hot.size());
        const auto cohort = static_cast<std::uint32_t>(cohorts.size());
        sigrun_cohort c{};
        c.places = k.places;
        c.weight = k.weight;
        c.zone = k.zone;
        c.protos = 1;
        c.n_runners = n;
        cohorts.push_back(c);
        for (std::uint32_t i = 0; i < (n + 63) / 64; ++i) page_cohort.push_back(cohort);
        hot.resize(page_cohort.size() * 64);
        identity.resize(hot.size());
        cost.resize(hot.size(), 1.0);
        open.resize(hot.size());
        const std::size_t words = (page_cohort.size() + 63) / 64;
        for (int t = 0; t < SIGRUN_TIERS; ++t) idle[t].resize(page_cohort.size()), any[t].resize(words);
        feasible.resize(words);
        for (std::size_t p = first / 64; p < page_cohort.size(); ++p) feasible[p / 64] |= 1ull << p % 64;
        for (std::uint32_t i = 0; i < n; ++i) {
            identity[first + i] = first_identity + i;
            open[first + i] = true;
            set(first + i, 0);
        }
        if (k.zone < zones.size()) zones[k.zone].places += n * k.places;
        ++epoch;
        return first;
    }
    void remove(std::uint32_t slot) {
        identity[slot] = 0;
        open[slot] = false;
        set(slot, 0);
        ++epoch;
    }
    void set_open(std::uint32_t slot, bool is_open) {
        open[slot] = is_open;
        set(slot, jobs(slot));
    }
    /// Expected cost of a job there, relative to the mean.
    void set_cost(std::uint32_t slot, double relative) {
        cost[slot] = relative;
        set(slot, jobs(slot));
    }
    void set(std::uint32_t slot, std::uint32_t in_flight) {
        const std::uint32_t places = of(slot).places;
        const double steps = 2 * (std::log2(cost[slot]) + static_cast<double>(in_flight) / places);
        const int tier = std::clamp(2 + static_cast<int>(std::floor(steps)), 0, 7);
        const auto c = static_cast<std::uint64_t>(std::lround(256 * (std::log2(cost[slot]) + 64)));
        const auto invcap = static_cast<std::uint64_t>(std::lround(4096 - 256 * std::log2(places)));
        hot[slot] = in_flight | c << 16 | invcap << 32 | static_cast<std::uint64_t>(tier) << 48;
        for (int t = 0; t < SIGRUN_TIERS; ++t) {
            const bool here = open[slot] && in_flight < places && t == tier;
            const std::uint64_t bit = 1ull << slot % 64, page_bit = 1ull << slot / 64 % 64;
            std::uint64_t& page = idle[t][slot / 64];
            page = here ? page | bit : page & ~bit;
            std::uint64_t& word = any[t][slot / 4096];
            word = page ? word | page_bit : word & ~page_bit;
        }
    }
    std::uint32_t jobs(std::uint32_t slot) const { return SIGRUN_HOT_INFLIGHT(hot[slot]); }
    void claim(std::uint32_t slot) { set(slot, jobs(slot) + 1); }
    void release(std::uint32_t slot) { set(slot, jobs(slot) - 1); }
    const sigrun_cohort& of(std::uint32_t slot) const { return cohorts[page_cohort[slot / 64]]; }
    bool can_take(std::uint32_t slot) const { return open[slot] && jobs(slot) < of(slot).places; }
    std::uint32_t slots() const { return static_cast<std::uint32_t>(hot.size()); }

    sigrun_view view() const {
        sigrun_view v{};
        v.struct_size = sizeof v;
        v.abi = 1;
        v.epoch = epoch;
        v.hot = hot.data();
        for (int t = 0; t < SIGRUN_TIERS; ++t) v.idle[t] = idle[t].data(), v.page_any[t] = any[t].data();
        v.page_cohort = page_cohort.data();
        v.cohort = cohorts.data();
        v.n_slots = slots();
        v.n_pages = static_cast<std::uint32_t>(page_cohort.size());
        v.n_cohorts = static_cast<std::uint32_t>(cohorts.size());
        v.page_shift = 6;
        v.identity = identity.data();
        if (!zones.empty()) {
            v.n_zones = static_cast<std::uint32_t>(zones.size());
            v.zone_order = order.data();
            v.zone_rtt_us = rtt_us.data();
            v.zone = zones.data();
            v.waiting = &waiting;
        }
        return v;
    }

    /// Round trips from each zone to each, row by row.
    void set_zones(const std::vector<std::vector<std::uint32_t>>& round_trips) {
        const std::size_t n = round_trips.size();
        zones.resize(n, sigrun_zone{0, SIGRUN_UNKNOWN_US, 0, 0});
        order.assign(n * SIGRUN_ZONES, 0);
        rtt_us.assign(n * SIGRUN_ZONES, 0);
        for (std::size_t from = 0; from < n; ++from) {
            const std::vector<std::uint32_t>& row = round_trips[from];
            std::copy(row.begin(), row.end(), rtt_us.begin() + static_cast<std::ptrdiff_t>(from * SIGRUN_ZONES));
            const auto begin = order.begin() + static_cast<std::ptrdiff_t>(from * SIGRUN_ZONES);
            for (std::size_t z = 0; z < n; ++z) begin[static_cast<std::ptrdiff_t>(z)] = static_cast<std::uint16_t>(z);
            std::stable_sort(begin, begin + static_cast<std::ptrdiff_t>(n),
                             [&](auto a, auto b) { return row[a] < row[b]; });
        }
        ++epoch;
    }

    std::uint64_t epoch = 1;
    std::vector<sigrun_zone> zones;
    std::vector<std::uint16_t> order;
    std::vector<std::uint32_t> rtt_us;
    std::uint32_t waiting = 0;
    std::vector<std::uint64_t> hot, identity, feasible;
    std::vector<double> cost;
    std::vector<char> open;
    std::vector<std::uint32_t> page_cohort;
    std::vector<sigrun_cohort> cohorts;
    std::array<std::vector<std::uint64_t>, SIGRUN_TIERS> idle, any;
};

/// The value that a chi-square of this many degrees of freedom exceeds once in 1,000 times (Wilson and Hilferty).
inline double chi_square_limit(double freedom) {
    const double a = 2 / (9 * freedom), z = 3.0902;
    return freedom * std::pow(1 - a + z * std::sqrt(a), 3);
}

}  // namespace sigrun::test
