#include "kernel/runner/protocol_tier.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using enum protocol_tier;

TEST(mission_D15, bands_of_a_protocol_end_below_10_us_100_us_and_1_ms) {
    EXPECT_EQ(tier_of(0ns), unknown);
    EXPECT_EQ(tier_of(9'999ns), ultra);
    EXPECT_EQ(tier_of(10us), high);
    EXPECT_EQ(tier_of(99'999ns), high);
    EXPECT_EQ(tier_of(100us), standard);
    EXPECT_EQ(tier_of(999'999ns), standard);
    EXPECT_EQ(tier_of(1ms), basic);
}

TEST(mission_D15, the_first_five_round_trips_decide_by_their_median) {
    tier_gauge g;
    for (auto each : {5us, 50'000us, 40us, 60us}) EXPECT_FALSE(g.round_trip(each));
    EXPECT_EQ(g.tier(), unknown);
    EXPECT_TRUE(g.round_trip(50us));
    EXPECT_EQ(g.tier(), high);
}

TEST(mission_D15, one_bad_window_changes_nothing_and_two_in_a_row_do) {
    tier_gauge g;
    g.window(50us);
    EXPECT_FALSE(g.window(5ms));
    EXPECT_FALSE(g.window(50us));  // it was a moment
    EXPECT_FALSE(g.window(5ms));
    EXPECT_TRUE(g.window(400us));
    EXPECT_EQ(g.tier(), standard);  // as far as both went
}

TEST(mission_D15, up_takes_two_windows_that_are_better_by_ten_percent) {
    tier_gauge g;
    g.window(150us);
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(g.window(95us));  // below the border, not by enough
    EXPECT_EQ(g.tier(), standard);
    EXPECT_FALSE(g.window(80us));
    EXPECT_TRUE(g.window(5us));
    EXPECT_EQ(g.tier(), high);
}

TEST(mission_D15, a_window_of_links_is_eight_round_trips_and_one_peak_in_it_is_none) {
    tier_gauge g;
    g.window(50us);
    for (int window = 0; window < 4; ++window)
        for (int i = 0; i < 8; ++i) EXPECT_FALSE(g.round_trip(i < 3 ? 20'000us : 50us));
    EXPECT_EQ(g.tier(), high);
    int changes = 0;
    for (int i = 0; i < 16; ++i) changes += g.round_trip(300us);
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(g.tier(), standard);
}

TEST(mission_D15, noise_around_a_border_does_not_flap) {
    tier_gauge g;
    g.window(99us);
    int changes = 0;
    for (int i = 0; i < 100; ++i) changes += g.window(i % 2 ? 104us : 96us);
    EXPECT_EQ(changes, 0);
}

}  // namespace
}  // namespace sigrun
