#include "kernel/select/pick_timer.hpp"

#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace {

using namespace sigrun;

TEST(pick_timer, counts_each_time_in_the_bucket_whose_bound_it_does_not_exceed) {
    pick_timer t;
    for (const std::int64_t ns : {0, 50, 51, 75, 1'000'000}) t.record(ns);
    const pick_time_counts c = t.counts();
    EXPECT_EQ(c.in[0], 2u);
    EXPECT_EQ(c.in[1], 2u);
    EXPECT_EQ(c.in[pick_time_counts::bounds.size() - 1], 1u);
    EXPECT_EQ(c.in[pick_time_counts::bounds.size()], 0u);
    EXPECT_EQ(c.total(), 5u);
    EXPECT_EQ(c.sum_ns, 1'000'176u);
}

TEST(pick_timer, what_is_beyond_the_last_bound_has_a_bucket_and_no_figure) {
    pick_timer t;
    t.record(1'000'001);
    t.record(std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(t.counts().in.back(), 2u);
    EXPECT_EQ(t.counts().quantile_ns(0.5), -1);
}

TEST(pick_timer, a_quantile_is_the_bound_that_so_many_did_not_exceed) {
    pick_timer t;
    EXPECT_EQ(t.counts().quantile_ns(0.99), 0);
    for (int i = 0; i < 99; ++i) t.record(120);
    t.record(4'000);
    EXPECT_EQ(t.counts().quantile_ns(0.5), 150);
    EXPECT_EQ(t.counts().quantile_ns(0.99), 150);
    EXPECT_EQ(t.counts().quantile_ns(0.999), 5'000);
}

TEST(pick_timer, a_clock_that_went_back_counts_as_no_time) {
    pick_timer t;
    t.record(-5);
    EXPECT_EQ(t.counts().in[0], 1u);
    EXPECT_EQ(t.counts().sum_ns, 0u);
}

TEST(pick_timer, one_of_64_picks_of_a_selector_is_timed) {
    auto select = test::make_selector({test::real_balancer("round_robin")});
    const auto pred = select->intern(requirement::compile("").value());
    pick_request q;
    q.pred = pred.get();
    for (int i = 0; i < 64 * 5; ++i) select->pick(q);
    EXPECT_EQ(select->pick_times().total(), 5u);
    EXPECT_GT(select->pick_times().sum_ns, 0u);
}

}  // namespace
