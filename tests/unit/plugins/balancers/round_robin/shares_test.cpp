#include "unit/plugins/balancers/common_checks.hpp"

namespace {

using namespace sigrun;
using namespace sigrun::test;

std::map<std::uint32_t, double> by_weight(const made_fleet& fleet) {
    std::map<std::uint32_t, double> out;
    for (std::uint32_t slot : fleet.runners())
        if (fleet.can_take(slot)) out[slot] = fleet.weight(slot);
    return out;
}
/// Each count is within `off` of its share: far below what chance would allow.
void expect_exact(const std::map<std::uint32_t, int>& seen, const std::map<std::uint32_t, double>& share, double off) {
    double picks = 0, total = 0;
    for (const auto& [slot, n] : seen) picks += n;
    for (const auto& [slot, s] : share) total += s;
    for (const auto& [slot, s] : share)
        EXPECT_NEAR(seen.contains(slot) ? seen.at(slot) : 0, s / total * picks, off) << slot;
    EXPECT_SHARES(seen, share);
}

TEST(round_robin, mission_A1_shares_are_exact_and_the_first_pick_favours_nobody) {
    balancer_rig rig("round_robin");
    made_fleet fleet;
    add_uneven_pages(fleet, 2);
    const int n = static_cast<int>(fleet.runners().size());
    expect_exact(count_picks(rig, fleet, 7 * n), equal_shares(fleet), 0.01);
    EXPECT_SHARES(first_picks(rig, fleet, 1000), equal_shares(fleet));
    fleet.page(0b111, {});
    fleet.set_open(0, false);
    expect_exact(count_picks(rig, fleet, 7 * (n + 2)), equal_shares(fleet), 1.01);
}

TEST(round_robin, mission_A6_weights_hold_from_the_first_pick_and_after_each_update) {
    for (const char* name : {"round_robin", "weighted_round_robin"}) {
        balancer_rig rig(name);
        made_fleet fleet;
        fleet.page(0b111, {.weight = 1024});
        fleet.page(0b1, {.weight = 5 * 1024});
        fleet.page(0xff, {.weight = 512});
        EXPECT_SHARES(first_picks(rig, fleet, 4000), by_weight(fleet));
        std::mt19937_64 random(3);
        for (int round = 0; round < 20; ++round) {
            fleet.set_weight(static_cast<std::uint32_t>(random() % 3),
                             static_cast<std::uint16_t>(256 * (1 + random() % 40)));
            expect_exact(count_picks(rig, fleet, 4000), by_weight(fleet), 3);
        }
    }
}

TEST(round_robin, exploring_changes_nothing) {
    balancer_rig rig("round_robin");
    made_fleet fleet;
    fleet.page(0xff, {.places = 4});
    fleet.set_cost(1, 1024);
    fleet.set_jobs(2, 3);
    expect_exact(count_picks(rig, fleet, 800, SIGRUN_REQ_EXPLORE), equal_shares(fleet), 0.01);
    EXPECT_EQ(rig.pick(fleet, 1, SIGRUN_REQ_EXPLORE).reason, SIGRUN_WHY_STRIDE);
}

TEST(round_robin, a_runner_that_is_full_is_passed_over_and_has_no_claim_to_more_later) {
    balancer_rig rig("round_robin");
    made_fleet fleet;
    fleet.page(0xff, {.places = 4});
    count_picks(rig, fleet, 80);
    fleet.set_jobs(3, 4);
    EXPECT_FALSE(count_picks(rig, fleet, 700).contains(3));
    fleet.set_jobs(3, 0);
    const auto after = count_picks(rig, fleet, 80);
    for (const auto& [slot, n] : after) EXPECT_NEAR(n, 10, 1) << slot;
}

TEST(round_robin, a_slow_runner_takes_its_turn_as_long_as_it_has_a_place) {
    balancer_rig rig("round_robin");
    made_fleet fleet;
    fleet.page(0xff, {.places = 8});
    job_stream jobs(rig, fleet, 0.2, 3);
    jobs.at(2).slowness = 2;
    EXPECT_NEAR(share_of(jobs.run(8000), {2}), 0.125, 0.005);
    jobs.at(2).slowness = 100;  // full for good
    jobs.run(500);
    EXPECT_LT(share_of(jobs.run(8000), {2}), 0.0125);
    jobs.at(2).slowness = 1;
    jobs.run(3000);  // what it has is still slow
    EXPECT_NEAR(share_of(jobs.run(8000), {2}), 0.125, 0.005);
}

TEST(round_robin, ejected_runners_get_nothing) {
    balancer_rig rig("round_robin");
    expect_ejected_runners_get_nothing(rig);
}

}  // namespace
