#include "unit/plugins/balancers/common_checks.hpp"

#include <deque>

namespace {

using namespace sigrun;
using namespace sigrun::test;

TEST(least_connections, mission_A2_ties_are_spread_evenly_over_full_pages) {
    balancer_rig rig("least_connections");
    made_fleet fleet;
    for (int i = 0; i < 3; ++i) fleet.page(~0ull, {.places = 4});
    EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet));
    EXPECT_SHARES(first_picks(rig, fleet, 1000), equal_shares(fleet));
    fleet.page(~0ull, {.places = 8});
    EXPECT_SHARES(count_picks(rig, fleet, 30'000), equal_shares(fleet));
    // Only those with the lowest load count.
    std::map<std::uint32_t, double> idle;
    for (std::uint32_t slot : fleet.runners())
        if (slot % 2)
            fleet.set_jobs(slot, 1);
        else
            idle[slot] = 1;
    EXPECT_SHARES(count_picks(rig, fleet, 30'000), idle);
}

TEST(least_connections, a_lonely_runner_gets_at_most_a_few_times_its_share) {
    balancer_rig rig("least_connections");
    made_fleet fleet;
    add_uneven_pages(fleet, 3);
    const auto seen = count_picks(rig, fleet, 60'000);
    const double fair = 60'000.0 / static_cast<double>(fleet.runners().size());
    ASSERT_EQ(seen.size(), fleet.runners().size());  // nobody starves
    for (const auto& [slot, n] : seen) EXPECT_LT(n, 10 * fair) << slot;
}

TEST(least_connections, mission_A2_jobs_in_flight_follow_places_and_weights_to_within_one) {
    balancer_rig rig("least_connections");
    made_fleet fleet;
    const std::uint32_t pages[] = {fleet.page(0b1111, {.places = 100}),
                                   fleet.page(0b1111, {.places = 100, .weight = 3 * 1024}),
                                   fleet.page(0b1111, {.places = 200})};
    std::deque<std::uint32_t> running;
    auto settle = [&] {
        for (int i = 0; i < 3000; ++i) {
            const std::uint32_t slot = rig.pick(fleet).slot[0];
            fleet.claim(slot);
            running.push_back(slot);
            if (running.size() <= 240) continue;
            fleet.release(running.front());
            running.pop_front();
        }
        double lowest = 1, highest = 0, step = 0;
        for (std::uint32_t slot : fleet.runners()) {
            const double capacity = double{1} * fleet.places(slot) * fleet.weight(slot);
            lowest = std::min(lowest, fleet.jobs(slot) / capacity);
            highest = std::max(highest, fleet.jobs(slot) / capacity);
            step = std::max(step, 1 / capacity);
        }
        EXPECT_LE(highest - lowest, 1.5 * step);
    };
    settle();
    fleet.set_weight(pages[0], 3 * 1024);
    fleet.set_weight(pages[1], 1024);
    settle();
    fleet.page(0b11, {.places = 50});  // joins
    settle();
}

TEST(least_connections, the_same_inputs_give_the_same_picks) {
    balancer_rig rig("least_connections");
    EXPECT_TRUE(rig.table().caps & SIGRUN_BALANCER_DETERMINISTIC);
    expect_deterministic(rig);
}

TEST(least_connections, a_slow_runner_gets_what_it_finishes_and_all_again_when_it_recovers) {
    balancer_rig rig("least_connections");
    made_fleet fleet;
    fleet.page(0xff, {.places = 8});
    job_stream jobs(rig, fleet, 0.8, 3);
    jobs.at(2).slowness = 4;
    jobs.run(5000);
    EXPECT_LT(share_of(jobs.run(10'000), {2}), 0.045);  // 0.25 / 7.25 by its speed
    jobs.at(2).slowness = 1;
    jobs.run(5000);
    EXPECT_NEAR(share_of(jobs.run(10'000), {2}), 0.125, 0.01);
}

TEST(least_connections, ejected_runners_get_nothing) {
    balancer_rig rig("least_connections");
    expect_ejected_runners_get_nothing(rig);
}

}  // namespace
