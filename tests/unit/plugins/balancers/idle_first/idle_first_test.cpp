#include "unit/plugins/balancers/common_checks.hpp"

namespace {

using namespace sigrun;
using namespace sigrun::test;

TEST(idle_first, every_runner_of_the_best_tier_has_the_same_chance) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    add_uneven_pages(fleet, 3);
    const auto seen = count_picks(rig, fleet, 40'000);
    EXPECT_SHARES(seen, equal_shares(fleet));

    // As many words of pages as are drawn at random, too.
    for (int pages = 3; pages < 400; ++pages) fleet.page(pages % 7 ? 0x11 : 0xff, {});
    EXPECT_SHARES(count_picks(rig, fleet, 200'000), equal_shares(fleet));
}

TEST(idle_first, the_first_pick_after_a_restart_favours_nobody) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    fleet.page(0b1, {});
    fleet.page(0b1111111, {});
    fleet.page(0xff00, {.places = 4, .weight = 4096});
    EXPECT_SHARES(first_picks(rig, fleet, 1000), equal_shares(fleet));
}

TEST(idle_first, shares_are_right_at_once_when_the_fleet_changes) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    fleet.page(0xffff, {});
    count_picks(rig, fleet, 1000);
    fleet.page(0b101, {});  // joins
    EXPECT_SHARES(count_picks(rig, fleet, 10'000), equal_shares(fleet));
    for (std::uint32_t slot = 0; slot < 12; ++slot) fleet.set_open(slot, false);  // leave
    EXPECT_SHARES(count_picks(rig, fleet, 10'000), equal_shares(fleet));
    fleet.feasible[0] = 0b10;  // other pages match
    const auto seen = count_picks(rig, fleet, 1000);
    EXPECT_SHARES(seen, (std::map<std::uint32_t, double>{{64, 1}, {66, 1}}));
}

TEST(idle_first, only_the_lowest_tier_is_used_and_alternates_come_from_the_next) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    fleet.page(0b11, {.places = 4});
    fleet.page(0b1111, {.places = 4});
    fleet.set_jobs(0, 2);       // half full: tier 3
    fleet.set_cost(1, 256);     // twice as slow: tier 4
    fleet.set_cost(64, -256);   // twice as fast: tier 0
    fleet.set_jobs(65, 4);      // full: none
    fleet.set_open(66, false);  // ejected, draining, ...: none
    for (int i = 0; i < 200; ++i) {
        const auto got = rig.pick(fleet, 4);
        ASSERT_EQ(got.n, 4);
        EXPECT_EQ(got.slot[0], 64u);
        EXPECT_EQ(got.slot[1], 67u);
        EXPECT_EQ(got.slot[2], 0u);
        EXPECT_EQ(got.slot[3], 1u);
        EXPECT_EQ(got.tier, 0);
        EXPECT_EQ(got.reason, SIGRUN_WHY_IDLE_TIER);
    }
}

TEST(idle_first, a_job_waits_when_nothing_is_idle) {
    balancer_rig rig("idle_first");
    made_fleet none;
    EXPECT_EQ(rig.pick(none).n, 0);
    made_fleet fleet;
    const std::uint32_t slot = 5;
    fleet.page(1ull << slot, {});
    EXPECT_EQ(rig.pick(fleet, 4).n, 1);
    fleet.claim(slot);
    EXPECT_EQ(rig.pick(fleet, 4).n, 0);
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).n, 0);
    fleet.release(slot);
    EXPECT_EQ(rig.pick(fleet).slot[0], slot);
    fleet.feasible[0] = 0;
    EXPECT_EQ(rig.pick(fleet).n, 0);
}

TEST(idle_first, the_last_free_runner_is_found_whatever_was_learned_before) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    for (int i = 0; i < 130; ++i) fleet.page(~0ull, {});
    count_picks(rig, fleet, 1000);
    for (std::uint32_t slot : fleet.runners()) fleet.set_jobs(slot, 1);
    for (std::uint32_t last : {3u, 64u * 64, 64u * 129 + 63}) {
        fleet.set_jobs(last, 0);
        for (int i = 0; i < 20; ++i) {
            const auto got = rig.pick(fleet, 4);
            ASSERT_EQ(got.n, 1);
            EXPECT_EQ(got.slot[0], last);
        }
        fleet.set_jobs(last, 1);
    }
}

TEST(idle_first, in_a_large_fleet_a_better_tier_is_found_within_some_picks) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    for (int i = 0; i < 64 * 40; ++i) fleet.page(0b11, {});
    count_picks(rig, fleet, 100);
    for (std::uint32_t better : {0u, 64u * 1000, 64u * 2559}) {
        fleet.set_cost(better, -256);
        int picks = 1;
        while (rig.pick(fleet).slot[0] != better) ASSERT_LE(++picks, 5);
        fleet.set_cost(better, 0);
    }
}

TEST(idle_first, exploring_disregards_tiers) {
    balancer_rig rig("idle_first");
    made_fleet fleet;
    fleet.page(0xff, {.places = 4});
    fleet.page(0b11, {.places = 4});
    fleet.set_cost(0, 1024);
    fleet.set_cost(1, -512);
    fleet.set_jobs(64, 3);
    EXPECT_SHARES(count_picks(rig, fleet, 10'000, SIGRUN_REQ_EXPLORE), equal_shares(fleet));
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).reason, SIGRUN_WHY_EXPLORE);
}

TEST(idle_first, the_same_inputs_give_the_same_picks) {
    balancer_rig rig("idle_first");
    EXPECT_TRUE(rig.table().caps & SIGRUN_BALANCER_DETERMINISTIC);
    expect_deterministic(rig);
}

TEST(idle_first, mission_A3_a_slow_runner_loses_its_excess_share_and_gets_it_back) {
    balancer_rig rig("idle_first");
    expect_slow_runner_loses_its_excess_share(rig);
}

TEST(idle_first, mission_A3_runners_that_fail_at_once_are_avoided) {
    balancer_rig rig("idle_first");
    expect_failing_runners_are_avoided(rig);
}

}  // namespace
