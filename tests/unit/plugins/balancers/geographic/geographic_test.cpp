#include "unit/plugins/balancers/geographic/this_plugin.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace {

using namespace sigrun;
using namespace sigrun::test;

constexpr std::uint32_t k_unknown = SIGRUN_UNKNOWN_US;

/// Three regions and, as zone 0, runners that name none; nobody knows how far those are.
struct regions : hand_kept_fleet {
    static constexpr std::uint16_t home = 1, near = 2, far = 3;
    explicit regions(std::uint32_t runners = 64, std::uint16_t places = 2) {
        set_zones({{k_unknown, 1'000, 30'000, 80'000},
                   {k_unknown, 0, 30'000, 80'000},
                   {k_unknown, 30'000, 0, 70'000},
                   {k_unknown, k_unknown, k_unknown, 0}});
        for (std::uint16_t z : {far, home, near}) first[z] = add(runners, {places, 1024, z}, 1000u * z);
        unnamed = add(64, {1, 1024, 0}, 9000);
    }
    std::uint32_t zone_of(std::uint32_t slot) const { return of(slot).zone; }
    void fill(std::uint32_t zone) {
        for (std::uint32_t s = 0; s < slots(); ++s)
            if (open[s] && zone_of(s) == zone) set(s, of(s).places);
    }
    std::uint32_t first[4]{}, unnamed = 0;
};

TEST(geographic, the_nearest_zone_with_an_idle_place_is_taken) {
    geographic_plugin p;
    regions fleet;
    auto zone_for = [&](std::uint32_t source) {
        const sigrun_pick got = p.pick(fleet, source);
        EXPECT_EQ(got.n, 1);
        return fleet.zone_of(got.slot[0]);
    };
    EXPECT_EQ(zone_for(0), 1u);
    EXPECT_EQ(p.pick(fleet, 0).reason, SIGRUN_WHY_ZONE);
    EXPECT_EQ(zone_for(1), 1u);
    EXPECT_EQ(zone_for(2), 2u);
    EXPECT_EQ(zone_for(3), 3u);
    fleet.fill(1);
    EXPECT_EQ(zone_for(0), 2u);
    EXPECT_EQ(p.pick(fleet, 0).reason, SIGRUN_WHY_ZONE_SPILL);
    fleet.fill(2);
    EXPECT_EQ(zone_for(0), 3u);
    EXPECT_EQ(zone_for(2), 3u);
    fleet.fill(3);
    EXPECT_EQ(zone_for(0), 0u);  // nobody knows how far it is, but it is free
    EXPECT_EQ(p.pick(fleet, 0).reason, SIGRUN_WHY_IDLE_TIER);
    fleet.fill(0);
    EXPECT_EQ(p.pick(fleet, 0).n, 0);
    EXPECT_EQ(p.pick(fleet, 0).reason, SIGRUN_WHY_NONE);
    fleet.set(fleet.first[1] + 5, 1);  // one place is free again
    EXPECT_EQ(p.pick(fleet, 0).slot[0], fleet.first[1] + 5);
    EXPECT_EQ(p.pick(fleet, 0).reason, SIGRUN_WHY_ZONE);
}

TEST(geographic, only_zones_that_match_count_and_egress_is_added) {
    geographic_plugin p;
    regions fleet;
    fleet.feasible[0] &= ~(1ull << fleet.first[1] / 64);  // nothing at home matches
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1).slot[0]), 2u);
    EXPECT_EQ(p.pick(fleet, 1).reason, SIGRUN_WHY_ZONE);  // it is the nearest there is
    fleet.zones[2].egress_us = 60'000;                    // 30 ms + 60 ms against 80 ms
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1).slot[0]), 3u);
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 2).slot[0]), 2u);  // from there it costs nothing
    fleet.zones[2].egress_us = 40'000;
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1).slot[0]), 2u);
}

TEST(geographic, from_where_nobody_knows_all_zones_are_equal) {
    regions fleet(48, 1);
    for (std::uint32_t i = 48; i < 64; ++i) fleet.set_open(fleet.unnamed + i, false);
    for (const std::uint32_t source : {std::uint32_t{SIGRUN_ZONE_UNKNOWN}, std::uint32_t{77}}) {
        geographic_plugin p;
        std::map<std::uint32_t, double> by_zone;
        for (int i = 0; i < 20'000; ++i) {
            const sigrun_pick got = p.pick(fleet, source);
            ASSERT_EQ(got.n, 1);
            EXPECT_EQ(got.reason, SIGRUN_WHY_IDLE_TIER);
            ++by_zone[fleet.zone_of(got.slot[0])];
        }
        double chi = 0;
        for (std::uint32_t z = 0; z < 4; ++z) chi += (by_zone[z] - 5000) * (by_zone[z] - 5000) / 5000;
        EXPECT_LT(chi, chi_square_limit(3));
    }
    // Nor does a host without zones.
    geographic_plugin p;
    sigrun_view view = fleet.view();
    view.struct_size = offsetof(sigrun_view, zone_rtt_us);  // what lies behind is not ours to read
    EXPECT_EQ(p.pick(fleet, view, 0).reason, SIGRUN_WHY_IDLE_TIER);
    view = fleet.view();
    view.zone_order = nullptr;
    EXPECT_EQ(p.pick(fleet, view, 0).reason, SIGRUN_WHY_IDLE_TIER);
    view = fleet.view();
    view.page_shift = 9;
    EXPECT_EQ(p.pick(fleet, view, 0).n, 0);
}

TEST(geographic, inside_a_zone_every_idle_runner_of_the_lowest_tier_is_equally_likely) {
    regions fleet(150, 2);
    fleet.add(7, {2, 1024, 1}, 5000);
    for (std::uint32_t i = 0; i < 150; i += 2) fleet.set(fleet.first[1] + i, 1);  // a tier higher
    for (int update = 0; update < 3; ++update) {
        std::map<std::uint32_t, int> expected;
        for (std::uint32_t slot = 0; slot < fleet.slots(); ++slot)
            if (fleet.zone_of(slot) == 1 && fleet.can_take(slot) && !fleet.jobs(slot) && fleet.cost[slot] < 2)
                expected[slot] = 0;
        geographic_plugin p;
        // The first thousand are each the first after a restart.
        for (std::uint64_t i = 0; i < 20'000; ++i) {
            std::optional<geographic_plugin> restarted;
            if (i < 1000) restarted.emplace(i + 10);
            const sigrun_pick got = (restarted ? *restarted : p).pick(fleet, 1);
            ASSERT_EQ(got.n, 1);
            ASSERT_TRUE(expected.contains(got.slot[0]));
            ++expected[got.slot[0]];
        }
        double chi = 0;
        const double want = 20'000.0 / static_cast<double>(expected.size());
        for (const auto& [slot, n] : expected) chi += (n - want) * (n - want) / want;
        EXPECT_LT(chi, chi_square_limit(static_cast<double>(expected.size() - 1))) << update;
        // Slow ones and ones that fail what they get are left alone while others are idle; one comes.
        fleet.set_cost(fleet.first[1] + static_cast<std::uint32_t>(2 * update + 1), update ? 20 : 4);
        fleet.add(1, {2, 1024, 1}, 6000 + static_cast<std::uint64_t>(update));
    }
    // And are back when they are well again.
    for (std::uint32_t slot = 0; slot < fleet.slots(); ++slot)
        if (fleet.zone_of(slot) == 1) fleet.set(slot, 2);
    fleet.set_cost(fleet.first[1] + 1, 1);
    fleet.set(fleet.first[1] + 1, 0);
    geographic_plugin p;
    EXPECT_EQ(p.pick(fleet, 1).slot[0], fleet.first[1] + 1);
}

TEST(geographic, alternates_come_from_the_zone_first) {
    geographic_plugin p;
    regions fleet;
    fleet.fill(1);
    fleet.set(fleet.first[1] + 3, 0);
    fleet.set(fleet.first[1] + 9, 1);
    const sigrun_pick got = p.pick(fleet, 1, 0, 4);
    ASSERT_EQ(got.n, 4);
    EXPECT_EQ(got.slot[0], fleet.first[1] + 3);
    EXPECT_EQ(got.slot[1], fleet.first[1] + 9);
    EXPECT_EQ(got.reason, SIGRUN_WHY_ZONE);
    EXPECT_EQ(std::set<std::uint32_t>(got.slot, got.slot + 4).size(), 4u);
}

TEST(geographic, a_short_wait_nearby_is_better_than_a_long_way) {
    geographic_plugin p;
    regions fleet;  // 128 places at home
    fleet.fill(1);
    fleet.zones[1].exec_us = 640'000;  // a place becomes free every 5 ms
    EXPECT_EQ(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).reason, SIGRUN_WHY_WAIT);
    EXPECT_EQ(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).n, 0);
    EXPECT_EQ(p.pick(fleet, 1).reason, SIGRUN_WHY_ZONE_SPILL);  // who must not wait does not
    // Nothing is near enough to be looked at: that is no reason to go to the end of the world.
    fleet.fill(2);
    EXPECT_EQ(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).reason, SIGRUN_WHY_WAIT);
    // Nobody knows how long it takes there: not worth waiting for.
    fleet.zones[1].exec_us = k_unknown;
    fleet.zones[2].exec_us = k_unknown;
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).slot[0]), 3u);
    // Jobs of ten minutes: a wait costs far more than any way.
    fleet.zones[1].exec_us = 600'000'000;
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).slot[0]), 3u);
}

TEST(geographic, a_job_waits_exactly_as_long_as_that_is_expected_to_cost_less) {
    geographic_plugin p;
    regions fleet;  // 128 places at home and as many 30 ms away; 80 ms away are others
    auto reason = [&](std::uint32_t waiting) {
        fleet.waiting = waiting;
        return p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).reason;
    };
    EXPECT_EQ(reason(1000), SIGRUN_WHY_ZONE) << "a place at home is free";
    fleet.fill(1);
    fleet.zones[1].exec_us = 128'000;  // one becomes free every millisecond
    EXPECT_EQ(reason(28), SIGRUN_WHY_WAIT);
    EXPECT_EQ(reason(30), SIGRUN_WHY_ZONE_SPILL);
    EXPECT_EQ(reason(28), SIGRUN_WHY_WAIT) << "no decision depends on the one before";
    fleet.zones[2].egress_us = 10'000;
    EXPECT_EQ(reason(38), SIGRUN_WHY_WAIT);
    EXPECT_EQ(reason(40), SIGRUN_WHY_ZONE_SPILL);
    fleet.zones[2].egress_us = 0;
    // Two full zones: whichever has a place first, as far as that one is worth the way.
    fleet.fill(2);
    fleet.zones[2].exec_us = 128'000;
    EXPECT_EQ(reason(128), SIGRUN_WHY_WAIT) << "129 ms of places and 30 ms of way at two places a millisecond: 79.5 ms";
    EXPECT_EQ(reason(130), SIGRUN_WHY_ZONE_SPILL);
    EXPECT_EQ(fleet.zone_of(p.pick(fleet, 1, SIGRUN_REQ_MAY_WAIT).slot[0]), 3u);
}

TEST(geographic, the_same_inputs_give_the_same_picks) {
    std::vector<std::uint32_t> runs[2];
    for (auto& run : runs) {
        geographic_plugin p;
        regions fleet;
        fleet.zones[1].exec_us = 100'000;
        for (int i = 0; i < 2000; ++i) {
            p.now_ns += 2'000'000;
            const sigrun_pick got =
                p.pick(fleet, static_cast<std::uint32_t>(i % 4), i % 2 ? SIGRUN_REQ_MAY_WAIT : 0, 2);
            run.push_back(got.n ? got.slot[0] : k_unknown);
            if (got.n) fleet.claim(got.slot[0]);
            if (got.n && i % 3) fleet.release(got.slot[0]);
        }
    }
    EXPECT_EQ(runs[0], runs[1]);
}

TEST(geographic, a_thousand_zones_are_walked_in_order) {
    geographic_plugin p;
    hand_kept_fleet fleet;
    constexpr std::uint32_t k_zones = 1000;
    std::vector<std::vector<std::uint32_t>> rtt(k_zones, std::vector<std::uint32_t>(k_zones));
    for (std::uint32_t a = 0; a < k_zones; ++a)
        for (std::uint32_t b = 0; b < k_zones; ++b) rtt[a][b] = 1000 * (a > b ? a - b : b - a);
    fleet.set_zones(rtt);
    std::vector<std::uint32_t> slot;
    for (std::uint32_t z = 0; z < k_zones; ++z)
        slot.push_back(fleet.add(1, {1, 1024, static_cast<std::uint16_t>(z)}, z + 1));
    for (std::uint32_t i = 0; i < k_zones; ++i) {
        const sigrun_pick got = p.pick(fleet, 0);
        ASSERT_EQ(got.n, 1);
        ASSERT_EQ(got.slot[0], slot[i]);
        fleet.claim(got.slot[0]);
    }
    EXPECT_EQ(p.pick(fleet, 0).n, 0);
}

}  // namespace
