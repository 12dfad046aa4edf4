#include "unit/plugins/balancers/common_checks.hpp"

#include <sigrun/cpp/expected_cost.hpp>

namespace {

using namespace sigrun;
using namespace sigrun::test;

TEST(performance, equal_runners_have_equal_shares_from_the_first_pick_on) {
    balancer_rig rig("performance");
    made_fleet fleet;
    add_uneven_pages(fleet, 2);
    EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet));
    EXPECT_SHARES(first_picks(rig, fleet, 1000), equal_shares(fleet));
    fleet.page(0x1f, {.places = 4});
    fleet.set_open(0, false);
    EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet));
}

TEST(performance, mission_A3_the_shortest_expected_delay_wins_when_all_are_compared) {
    balancer_rig rig("performance");
    made_fleet fleet;
    fleet.page(0b1111, {.places = 1});
    fleet.page(0b1111, {.places = 8});
    std::mt19937_64 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::pair<std::uint32_t, std::uint32_t>> order;  // tier and cost, of who can take a job
        for (std::uint32_t slot : fleet.runners()) {
            fleet.set_cost(slot, static_cast<int>(random() % 1024) - 512);
            fleet.set_jobs(slot, static_cast<std::uint32_t>(random() % (fleet.places(slot) + 1)));
            if (fleet.can_take(slot)) order.emplace_back(fleet.tier(slot), sdk::expected_cost(fleet.view().hot[slot]));
        }
        std::sort(order.begin(), order.end());
        const auto got = rig.pick(fleet, 4);
        ASSERT_EQ(got.n, std::min<std::size_t>(order.size(), 4));
        for (unsigned i = 0; i < got.n; ++i) {
            ASSERT_EQ(fleet.tier(got.slot[i]), order[i].first);
            ASSERT_EQ(sdk::expected_cost(fleet.view().hot[got.slot[i]]), order[i].second);
        }
        if (!got.n) continue;
        EXPECT_EQ(got.score_q, order[0].second);
        EXPECT_EQ(got.tier, order[0].first);
        EXPECT_EQ(got.reason, SIGRUN_WHY_SED);
    }
}

TEST(performance, a_runner_wins_as_often_as_all_of_a_sample_are_no_better) {
    balancer_rig rig("performance", {{"samples", "2"}});
    made_fleet fleet;
    fleet.page(0b111, {});
    for (std::uint32_t slot = 0; slot < 3; ++slot) fleet.set_cost(slot, static_cast<int>(30 * slot));  // one tier
    EXPECT_SHARES(count_picks(rig, fleet, 10'000), (std::map<std::uint32_t, double>{{0, 2}, {1, 1}}));
}

TEST(performance, nothing_free_is_no_pick) {
    balancer_rig rig("performance");
    made_fleet fleet;
    EXPECT_EQ(rig.pick(fleet).n, 0);
    fleet.page(0b1, {});
    EXPECT_EQ(rig.pick(fleet, 4).n, 1);
    fleet.claim(0);
    EXPECT_EQ(rig.pick(fleet, 4).n, 0);
    EXPECT_EQ(rig.pick(fleet, 4, SIGRUN_REQ_EXPLORE).n, 0);
}

TEST(performance, exploring_disregards_costs) {
    balancer_rig rig("performance");
    made_fleet fleet;
    fleet.page(0xff, {.places = 4});
    fleet.set_cost(1, 1024);
    fleet.set_jobs(2, 3);
    EXPECT_SHARES(count_picks(rig, fleet, 10'000, SIGRUN_REQ_EXPLORE), equal_shares(fleet));
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).reason, SIGRUN_WHY_EXPLORE);
}

TEST(performance, the_same_inputs_give_the_same_picks) {
    balancer_rig rig("performance");
    EXPECT_TRUE(rig.table().caps & SIGRUN_BALANCER_DETERMINISTIC);
    expect_deterministic(rig);
}

TEST(performance, mission_A3_a_slow_runner_loses_its_excess_share_and_gets_it_back) {
    for (const char* samples : {"2", "8"}) {
        balancer_rig rig("performance", {{"samples", samples}});
        expect_slow_runner_loses_its_excess_share(rig);
    }
}

TEST(performance, mission_A3_runners_that_fail_at_once_are_avoided) {
    balancer_rig rig("performance");
    expect_failing_runners_are_avoided(rig);
}

TEST(performance, the_other_name_works) {
    balancer_rig rig("performance_based");
    made_fleet fleet;
    fleet.page(0b11, {});
    fleet.set_cost(0, 20);
    EXPECT_EQ(rig.pick(fleet).slot[0], 1u);
    sdk::mock_host host;
    EXPECT_THROW(host.create("performance", {{"samples", "9"}}), sdk::failure);
    EXPECT_THROW(host.create("performance_based", {{"samples", "1"}}), sdk::failure);
}

}  // namespace
