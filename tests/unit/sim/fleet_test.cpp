#include "bench/sim/fleet.hpp"

#include <gtest/gtest.h>

namespace sigrun::sim {
namespace {

TEST(sim_fleet, time_to_finish_is_the_work_over_the_speed) {
    regime r;
    r.slow_phases = false;
    EXPECT_EQ(machine(r, 1, 0, 0).finish(5, 1000), 1005);  // speed 1
    EXPECT_EQ(machine(r, 1, 5, 0).finish(5, 1000), 2005);  // 0.5
    EXPECT_EQ(machine(r, 1, 8, 0).finish(5, 1000), 505);   // 2
}

TEST(sim_fleet, a_runner_turns_slow_in_the_middle_of_a_job) {
    regime r;
    r.slow_phases = r.mixed_speeds = false;
    r.degraded = 0.1;
    machine m(r, 1, 0, 1000);
    ASSERT_TRUE(m.degrades);
    EXPECT_EQ(m.finish(400, 1000), 1000 + 4 * 400);
    EXPECT_EQ(m.finish(1200, 100), 1600);
}

TEST(sim_fleet, slow_phases_take_a_tenth_of_the_time) {
    regime r;
    r.mixed_speeds = false;
    double slow = 0, looks = 0;
    for (std::uint32_t i = 0; i < 200; ++i) {
        machine m(r, 7, i, 0);
        for (nanos t = 0; t < 20 * k_second; t += 5 * k_ms, ++looks) slow += m.speed(t) < 1;
    }
    EXPECT_NEAR(slow / looks, 0.1, 0.005);
}

TEST(sim_fleet, work_is_conserved_over_phases) {
    regime r;
    machine walked(r, 3, 8, 0), jumped(r, 3, 8, 0);
    nanos at = 0;
    for (int i = 0; i < 1000; ++i) at = walked.finish(at, 10 * k_ms);
    EXPECT_NEAR(static_cast<double>(jumped.finish(0, 10'000 * k_ms)), static_cast<double>(at), 1000);
}

TEST(sim_fleet, a_share_is_spread_over_all_speeds) {
    regime r;
    r.sinkholes = 0.1;
    int of_speed[3] = {};
    for (const machine& m : build_fleet(r, 1, 0))
        if (m.sinkhole) ++of_speed[m.base_speed < 1 ? 0 : m.base_speed > 1 ? 2 : 1];
    EXPECT_EQ(of_speed[0], 30);
    EXPECT_EQ(of_speed[1], 50);
    EXPECT_EQ(of_speed[2], 20);
}

}  // namespace
}  // namespace sigrun::sim
