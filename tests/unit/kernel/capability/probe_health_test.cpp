#include "kernel/capability/probe_health.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
const time_point k_begin{1h};

TEST(probe_health, three_crashes_in_ten_minutes_are_too_many) {
    probe_health health;
    EXPECT_FALSE(health.crashed(k_begin, "one"));
    EXPECT_FALSE(health.crashed(k_begin + 9min, "two"));
    EXPECT_EQ(health.disabled(), "");
    EXPECT_TRUE(health.crashed(k_begin + 10min - 1ns, "three"));
    EXPECT_EQ(health.disabled(),
              "disabled until its plugin is loaded again, after 3 crashes in 10 min, the last one: three");
    health.forgive();
    EXPECT_EQ(health.disabled(), "");
    EXPECT_FALSE(health.crashed(k_begin + 10min, "four"));
}

TEST(probe_health, crashes_far_apart_are_borne) {
    probe_health health;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(health.crashed(k_begin + i * 5min, "again")) << i;
}

TEST(probe_health, each_pause_is_twice_as_long_up_to_an_hour) {
    probe_health health;
    time_point now = k_begin;
    EXPECT_LE(health.pause_left(now), 0ns);
    for (auto pause : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
        health.stuck(now);
        EXPECT_EQ(health.pause_left(now), pause);
        now += pause;
        EXPECT_EQ(health.pause_left(now), 0ns);
    }
    health.worked();
    health.stuck(now);
    EXPECT_EQ(health.pause_left(now), 1min);
}

}  // namespace
}  // namespace sigrun
