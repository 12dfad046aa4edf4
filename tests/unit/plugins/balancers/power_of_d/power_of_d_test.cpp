#include "unit/plugins/balancers/common_checks.hpp"

#include <deque>

namespace {

using namespace sigrun;
using namespace sigrun::test;

TEST(power_of_d, one_choice_and_equal_loads_spread_evenly) {
    for (const char* d : {"1", "2", "3", "8"}) {
        balancer_rig rig("power_of_d", {{"d", d}});
        made_fleet fleet;
        add_uneven_pages(fleet, 2, {.places = 4});
        EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet)) << d;
        EXPECT_SHARES(first_picks(rig, fleet, 1000), equal_shares(fleet)) << d;
        fleet.page(0x1f, {.places = 2});
        fleet.set_open(0, false);
        EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet)) << d;
    }
}

TEST(power_of_d, a_runner_wins_as_often_as_all_of_a_sample_are_no_better) {
    // The k-th best of n is the winner iff it and d - 1 worse ones are drawn: C(n - k, d - 1) of C(n, d).
    const unsigned n = 10;
    for (const unsigned d : {1u, 2u, 3u, 5u, 8u}) {
        balancer_rig rig("power_of_d", {{"d", std::to_string(d)}});
        made_fleet fleet;
        fleet.page(0b11111, {.places = 100});
        fleet.page(0b11111, {.places = 100});
        auto choose = [](unsigned from, unsigned k) {
            double out = from < k ? 0 : 1;
            for (unsigned i = 0; i < k && out > 0; ++i) out = out * (from - i) / (i + 1);
            return out;
        };
        std::map<std::uint32_t, double> share;
        for (unsigned k = 0; k < n; ++k) {
            const std::uint32_t slot = fleet.runners()[k * 7 % n];
            fleet.set_jobs(slot, 3 * k);
            if (const double wins = choose(n - 1 - k, d - 1); wins > 0) share[slot] = wins;
        }
        EXPECT_SHARES(count_picks(rig, fleet, 20'000), share) << d;
    }
}

TEST(power_of_d, mission_A6_jobs_in_flight_follow_places_and_weights_also_after_an_update) {
    balancer_rig rig("power_of_d", {{"d", "3"}});
    made_fleet fleet;
    const std::uint32_t light = fleet.page(0b1111, {.places = 100}),
                        heavy = fleet.page(0b1111, {.places = 100, .weight = 3 * 1024}),
                        large = fleet.page(0b1111, {.places = 200});
    auto shares = [&] {
        std::deque<std::uint32_t> running;
        double out[3]{};
        for (int i = 0; i < 20'000; ++i) {
            const std::uint32_t slot = rig.pick(fleet).slot[0];
            fleet.claim(slot);
            running.push_back(slot);
            out[slot / 64] += 1;
            if (running.size() < 480) continue;
            fleet.release(running.front());
            running.pop_front();
        }
        for (std::uint32_t slot : running) fleet.release(slot);
        return std::array{out[0] / 20'000, out[1] / 20'000, out[2] / 20'000};
    };
    auto got = shares();
    EXPECT_NEAR(got[light], 1.0 / 6, 0.02);
    EXPECT_NEAR(got[heavy], 3.0 / 6, 0.02);
    EXPECT_NEAR(got[large], 2.0 / 6, 0.02);
    fleet.set_weight(light, 3 * 1024);
    fleet.set_weight(heavy, 1024);
    got = shares();
    EXPECT_NEAR(got[light], 3.0 / 6, 0.02);
    EXPECT_NEAR(got[heavy], 1.0 / 6, 0.02);
}

TEST(power_of_d, the_sample_is_ranked_and_more_alternates_are_random) {
    balancer_rig all("power_of_d", {{"d", "8"}}), two("power_of_d");
    made_fleet fleet;
    fleet.page(0xff, {.places = 20});
    for (std::uint32_t slot = 0; slot < 8; ++slot) fleet.set_jobs(slot, 10 - slot);
    std::map<std::uint32_t, int> third;
    for (int i = 0; i < 1000; ++i) {
        const auto got = all.pick(fleet, 4);
        ASSERT_EQ(got.n, 4);
        for (std::uint32_t k = 0; k < 4; ++k) EXPECT_EQ(got.slot[k], 7 - k);
        EXPECT_EQ(got.reason, SIGRUN_WHY_POWER_OF_D);
        EXPECT_EQ(got.score_q, 3 * 65'535 / 20);
        const auto pair = two.pick(fleet, 4);
        ASSERT_EQ(pair.n, 4);
        EXPECT_LT(fleet.jobs(pair.slot[0]), fleet.jobs(pair.slot[1]));
        ++third[pair.slot[2]];
    }
    EXPECT_SHARES(third, equal_shares(fleet));
}

TEST(power_of_d, few_free_runners_are_all_found) {
    balancer_rig rig("power_of_d", {{"d", "8"}});
    made_fleet fleet;
    EXPECT_EQ(rig.pick(fleet).n, 0);
    for (int i = 0; i < 200; ++i) fleet.page(~0ull, {.places = 2});
    for (std::uint32_t slot : fleet.runners()) fleet.set_jobs(slot, 2);
    EXPECT_EQ(rig.pick(fleet, 4).n, 0);
    fleet.set_jobs(64 * 9 + 1, 1);
    EXPECT_EQ(rig.pick(fleet, 4).n, 1);
    fleet.set_jobs(64 * 150, 1);
    fleet.set_jobs(64 * 199 + 63, 0);
    for (int i = 0; i < 50; ++i) {
        const auto got = rig.pick(fleet, 4);
        ASSERT_EQ(got.n, 3);
        EXPECT_EQ(got.slot[0], 64u * 199 + 63);
    }
}

TEST(power_of_d, compare_decides_whether_speed_counts) {
    balancer_rig by_load("power_of_d", {{"d", "8"}}), by_cost("power_of_d", {{"d", "8"}, {"compare", "expected_cost"}});
    made_fleet fleet;
    fleet.page(0b11, {.places = 4});
    fleet.set_cost(0, 256);  // twice as slow, and idle
    fleet.set_jobs(1, 2);
    EXPECT_EQ(by_load.pick(fleet).slot[0], 0u);
    EXPECT_EQ(by_cost.pick(fleet).slot[0], 1u);
    EXPECT_EQ(by_cost.pick(fleet).score_q, made_fleet::k_usual_cost);
}

TEST(power_of_d, exploring_takes_anybody) {
    balancer_rig rig("power_of_d", {{"d", "8"}});
    made_fleet fleet;
    fleet.page(0xff, {.places = 20});
    for (std::uint32_t slot = 0; slot < 8; ++slot) fleet.set_jobs(slot, slot);
    EXPECT_SHARES(count_picks(rig, fleet, 10'000, SIGRUN_REQ_EXPLORE), equal_shares(fleet));
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).reason, SIGRUN_WHY_EXPLORE);
}

TEST(power_of_d, the_same_inputs_give_the_same_picks) {
    balancer_rig rig("power_of_d", {{"d", "3"}});
    EXPECT_TRUE(rig.table().caps & SIGRUN_BALANCER_DETERMINISTIC);
    expect_deterministic(rig);
}

TEST(power_of_d, mission_A3_by_expected_cost_a_slow_runner_loses_its_excess_share_and_gets_it_back) {
    balancer_rig rig("power_of_d", {{"d", "4"}, {"compare", "expected_cost"}});
    expect_slow_runner_loses_its_excess_share(rig);
}

TEST(power_of_d, mission_A3_by_expected_cost_runners_that_fail_at_once_are_avoided) {
    balancer_rig rig("power_of_d", {{"d", "4"}, {"compare", "expected_cost"}});
    expect_failing_runners_are_avoided(rig);
}

TEST(power_of_d, by_load_a_slow_runner_gets_what_it_finishes_once_it_matters) {
    balancer_rig rig("power_of_d");
    made_fleet fleet;
    fleet.page(0xff, {.places = 8});
    job_stream jobs(rig, fleet, 0.8, 3);
    jobs.at(2).slowness = 4;
    jobs.run(5000);
    // By count it would be 1/8; what it can finish is 0.25 / 7.25.
    EXPECT_LT(share_of(jobs.run(10'000), {2}), 0.06);
    jobs.at(2).slowness = 1;
    jobs.run(5000);
    EXPECT_NEAR(share_of(jobs.run(10'000), {2}), 0.125, 0.015);
}

TEST(power_of_d, wrong_options_are_refused) {
    sdk::mock_host host;
    EXPECT_THROW(host.create("power_of_d", {{"d", "0"}}), sdk::failure);
    EXPECT_THROW(host.create("power_of_d", {{"d", "9"}}), sdk::failure);
    EXPECT_THROW(host.create("power_of_d", {{"compare", "speed"}}), sdk::failure);
}

}  // namespace
