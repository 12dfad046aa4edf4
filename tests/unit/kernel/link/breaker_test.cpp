#include "kernel/link/breaker.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using state = breaker::state;

class rung_breaker : public testing::Test {
protected:
    time_point now_{1h};
    breaker b_;
    void fail_over(std::chrono::nanoseconds span, int times = 3) {
        for (int i = 0; i < times; ++i) {
            b_.failed(now_);
            if (i + 1 < times) now_ += span / (times - 1);
        }
    }
};

TEST_F(rung_breaker, three_failures_that_span_five_seconds_open_it_for_thirty) {
    fail_over(5s);
    EXPECT_EQ(b_.at(now_), state::open);
    EXPECT_EQ(b_.next_trial(), now_ + 30s);
    EXPECT_FALSE(b_.admit(now_ + 29'999ms));
    EXPECT_TRUE(b_.admit(now_ + 30s));
}

TEST_F(rung_breaker, neither_two_failures_nor_a_short_burst_opens_it) {
    fail_over(60s, 2);
    EXPECT_EQ(b_.at(now_), state::closed);
    b_ = {};
    const auto began = now_;
    for (int i = 0; i < 100; ++i) b_.failed(now_ = began + i * 50ms);
    EXPECT_EQ(b_.at(now_), state::closed);
    now_ = began + 4'999ms;
    b_.failed(now_);
    EXPECT_EQ(b_.at(now_), state::closed);
    now_ = began + 5s;
    b_.failed(now_);  // the burst has lasted long enough now
    EXPECT_EQ(b_.at(now_), state::open);
}

TEST_F(rung_breaker, what_worked_in_between_begins_the_count_anew_but_a_bare_connection_does_not) {
    fail_over(10s, 2);
    b_.worked();
    now_ += 10s;
    b_.failed(now_);
    EXPECT_EQ(b_.at(now_), state::closed);
    b_ = {};
    for (int i = 0; i < 3; ++i) {
        b_.connected();
        b_.failed(now_ += 3s);
    }
    EXPECT_EQ(b_.at(now_), state::open) << "a rung that connects and breaks again and again";
}

TEST_F(rung_breaker, exactly_one_trial_is_let_through) {
    fail_over(5s);
    now_ += 30s;
    EXPECT_TRUE(b_.admit(now_));
    EXPECT_EQ(b_.at(now_), state::trial);
    EXPECT_FALSE(b_.admit(now_));
    EXPECT_FALSE(b_.admit(now_ + 1s));
}

TEST_F(rung_breaker, a_trial_that_works_closes_it_and_forgets_how_long_it_was_open) {
    fail_over(5s);
    now_ += 30s;
    ASSERT_TRUE(b_.admit(now_));
    b_.failed(now_);
    now_ += 60s;
    ASSERT_TRUE(b_.admit(now_));
    b_.connected();
    EXPECT_EQ(b_.at(now_), state::closed);
    EXPECT_EQ(b_.next_trial(), time_point{});
    fail_over(5s);
    EXPECT_EQ(b_.next_trial(), now_ + 30s);
}

TEST_F(rung_breaker, each_failed_trial_doubles_the_time_up_to_five_minutes) {
    fail_over(5s);
    for (auto length : {30s, 60s, 120s, 240s, 300s, 300s}) {
        EXPECT_EQ(b_.next_trial(), now_ + length);
        EXPECT_FALSE(b_.admit(now_ + length - 1ms));
        now_ += length;
        ASSERT_TRUE(b_.admit(now_));
        b_.failed(now_);
    }
}

TEST_F(rung_breaker, a_trial_given_up_opens_it_again_without_counting) {
    fail_over(5s);
    now_ += 30s;
    ASSERT_TRUE(b_.admit(now_));
    b_.given_up(now_);
    EXPECT_EQ(b_.at(now_), state::open);
    EXPECT_EQ(b_.next_trial(), now_ + 30s);
}

TEST_F(rung_breaker, a_trial_of_which_nobody_tells_the_outcome_ends_by_itself) {
    fail_over(5s);
    now_ += 30s;
    ASSERT_TRUE(b_.admit(now_));
    now_ += 15s;
    EXPECT_EQ(b_.at(now_), state::open);
    EXPECT_FALSE(b_.admit(now_)) << "it counts as given up: 30 s more";
    now_ += 30s;
    EXPECT_TRUE(b_.admit(now_));
}

TEST_F(rung_breaker, not_enabled_there_is_absent_for_an_hour_and_no_failure) {
    b_.not_here(now_);
    EXPECT_EQ(b_.at(now_), state::absent);
    EXPECT_EQ(b_.failures(), 0u);
    EXPECT_FALSE(b_.admit(now_ + 59min));
    EXPECT_TRUE(b_.admit(now_ + 60min));
    b_.connected();
    EXPECT_EQ(b_.at(now_), state::closed);
}

TEST_F(rung_breaker, late_words_of_what_opened_it_change_nothing) {
    fail_over(5s);
    const auto next = b_.next_trial();
    b_.failed(now_ + 1s);
    b_.given_up(now_ + 1s);
    EXPECT_EQ(b_.next_trial(), next);
}

}  // namespace
}  // namespace sigrun
