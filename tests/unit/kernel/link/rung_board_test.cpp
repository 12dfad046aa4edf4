#include "kernel/link/rung_board.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using follow = rung_board::follow;

constexpr std::uint8_t k_left = 0, k_used = 2;

// A runner whose new jobs went from one rung to another by measurement.
class after_a_switch : public testing::Test {
protected:
    after_a_switch() {
        b_.at(k_left);
        b_.at(k_used);
        b_.rung = k_used;
        b_.last_switch.from = k_left;
        b_.last_switch.to = k_used;
        b_.moves = follow::when_degraded;
    }
    void window(nanoseconds left, nanoseconds used) {
        b_.at(k_left).window_best = left;
        b_.at(k_used).window_best = used;
        b_.end_window(0.2);
    }
    rung_board b_;
};

TEST_F(after_a_switch, mission_F3_work_follows_after_three_bad_windows_in_a_row) {
    window(10ms, 1ms);
    window(10ms, 1ms);
    EXPECT_FALSE(b_.work_is_to_follow());
    window(10ms, 1ms);
    EXPECT_TRUE(b_.work_is_to_follow());
}

TEST_F(after_a_switch, a_good_window_between_them_begins_the_count_anew) {
    for (int i = 0; i < 5; ++i) {
        window(10ms, 1ms);
        window(10ms, 1ms);
        window(1ms, 1ms);
        EXPECT_FALSE(b_.work_is_to_follow());
    }
}

TEST_F(after_a_switch, worse_by_no_more_than_the_threshold_is_not_bad) {
    for (int i = 0; i < 5; ++i) window(1200us, 1ms);
    EXPECT_FALSE(b_.work_is_to_follow());
    for (int i = 0; i < 3; ++i) window(1201us, 1ms);
    EXPECT_TRUE(b_.work_is_to_follow());
}

TEST_F(after_a_switch, a_window_without_a_measurement_says_nothing) {
    window(10ms, 1ms);
    window(10ms, 1ms);
    window(0ms, 1ms);
    window(10ms, 0ms);
    EXPECT_FALSE(b_.work_is_to_follow());
    window(10ms, 1ms);
    EXPECT_TRUE(b_.work_is_to_follow());
}

TEST_F(after_a_switch, each_window_is_measured_for_itself) {
    for (int i = 0; i < 3; ++i) {
        window(10ms, 1ms);
        EXPECT_EQ(b_.at(k_left).window_best, 0ns);
        EXPECT_EQ(b_.at(k_used).window_best, 0ns);
    }
}

TEST_F(after_a_switch, without_a_switch_by_measurement_windows_move_nothing) {
    for (auto how : {follow::nothing, follow::after_dwell}) {
        b_.moves = how;
        for (int i = 0; i < 5; ++i) window(10ms, 1ms);
        EXPECT_EQ(b_.at(k_left).bad_windows, 0u);
        EXPECT_EQ(b_.work_is_to_follow(), how == follow::after_dwell);
    }
}

TEST(rung_board, a_board_that_never_switched_ends_windows_quietly) {
    rung_board b;
    b.end_window(0.2);
    EXPECT_FALSE(b.work_is_to_follow());
}

}  // namespace
}  // namespace sigrun
