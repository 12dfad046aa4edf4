// What every balancer that claims it has to do; each of its tests names which of these it claims.
#pragma once

#include "unit/plugins/balancers/job_stream.hpp"

namespace sigrun::test {

/// A thread that starts anew and sees the same again picks the same again.
inline void expect_deterministic(balancer_rig& rig) {
    made_fleet fleet;
    add_uneven_pages(fleet, 50, {.places = 4});
    for (std::uint32_t slot : fleet.runners()) {
        fleet.set_jobs(slot, slot % 5);
        fleet.set_cost(slot, static_cast<int>(slot * 37 % 600) - 300);
    }
    std::vector<std::uint32_t> runs[2];
    for (auto& run : runs) {
        rig.restart();
        rig.seed(7);
        for (int i = 0; i < 1000; ++i) {
            const auto got = rig.pick(fleet, static_cast<std::uint16_t>(1 + i % 4),
                                      i % 9 ? std::uint16_t{0} : std::uint16_t{SIGRUN_REQ_EXPLORE});
            run.insert(run.end(), got.slot, got.slot + got.n);
        }
    }
    EXPECT_EQ(runs[0], runs[1]);
}

/// Of 16 runners one becomes four times slower, and is as fast as before later on. The host tells it within three job times.
inline void expect_slow_runner_loses_its_excess_share(balancer_rig& rig) {
    made_fleet fleet;
    fleet.page(0xffff, {});
    job_stream jobs(rig, fleet, 0.5, 1);
    jobs.measure_costs = false;
    jobs.run(2000);
    jobs.at(3).slowness = 4;
    fleet.set_cost(3, 512);
    const double fair = 1.0 / 16, by_speed = 0.25 / 15.25;
    EXPECT_LE(share_of(jobs.run(5000), {3}), by_speed + 0.1 * (fair - by_speed));
    jobs.at(3).slowness = 1;
    fleet.set_cost(3, 0);
    EXPECT_NEAR(share_of(jobs.run(5000), {3}), fair, 0.012);
}

/// Two of 20 fail all jobs at once; the others have room for all of them.
inline void expect_failing_runners_are_avoided(balancer_rig& rig) {
    made_fleet fleet;
    fleet.page(0xfffff, {});
    job_stream jobs(rig, fleet, 0.3, 2);
    jobs.run(2000);
    for (std::uint32_t slot : {4u, 11u}) jobs.at(slot).fails = true;
    jobs.run(1000);
    EXPECT_LE(share_of(jobs.run(10'000), {4, 11}), 0.03 * 0.1);
}

/// For those that look at load alone: who fails at once is always idle, so it looks best; the host's ejection is what keeps
/// jobs away from it.
inline void expect_ejected_runners_get_nothing(balancer_rig& rig) {
    made_fleet fleet;
    fleet.page(0xfffff, {});
    job_stream jobs(rig, fleet, 0.4, 2);
    for (std::uint32_t slot : {4u, 11u}) jobs.at(slot).fails = true;
    jobs.eject_after = 5;
    jobs.run(1000);
    EXPECT_EQ(jobs.failures(4), 5);
    EXPECT_EQ(jobs.failures(11), 5);
    EXPECT_EQ(share_of(jobs.run(5000), {4, 11}), 0);
}

}  // namespace sigrun::test
