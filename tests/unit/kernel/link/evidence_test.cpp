#include "kernel/link/evidence.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

TEST(rung_latency, the_first_sample_is_the_average_and_later_ones_move_it_by_a_tenth) {
    smoothed_time t;
    EXPECT_EQ(t.now(), 0ns);
    t.add(1ms);
    EXPECT_EQ(t.now(), 1ms);
    t.add(2ms);
    EXPECT_EQ(t.now(), 1100us);
    t.add(2ms);
    EXPECT_EQ(t.now(), 1190us);
}

TEST(rung_latency, quantiles_are_within_nine_percent_of_the_sorted_samples) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> us(5, 1.5);
    latency_sketch sketch;
    std::vector<double> all;
    for (int i = 0; i < 4000; ++i) {
        const double x = std::clamp(us(random), 1.0, 1e7);
        all.push_back(x);
        sketch.add(nanoseconds(static_cast<std::int64_t>(x * 1000)));
    }
    std::sort(all.begin(), all.end());
    for (double q : {0.01, 0.5, 0.9, 0.95, 0.99, 1.0}) {
        const double exact = all[static_cast<std::size_t>(std::ceil(q * 4000)) - 1];
        const double told = static_cast<double>(sketch.quantile(q).count()) / 1000;
        EXPECT_NEAR(told / exact, 1, 0.095) << q;
    }
}

TEST(rung_latency, times_beyond_its_range_stay_at_its_ends) {
    latency_sketch sketch;
    EXPECT_EQ(sketch.quantile(0.99), 0ns);
    sketch.add(0ns);
    EXPECT_EQ(sketch.quantile(0.5), 1us);
    for (int i = 0; i < 10; ++i) sketch.add(10h);
    EXPECT_GT(sketch.quantile(0.99), 15s);
    EXPECT_LT(sketch.quantile(0.99), 20s);
}

TEST(rung_latency, old_samples_fade) {
    latency_sketch sketch;
    for (int i = 0; i < 4000; ++i) sketch.add(10ms);
    for (int i = 0; i < 20'000; ++i) sketch.add(100us);
    EXPECT_LT(sketch.quantile(0.99), 200us);
}

TEST(rung_outcomes, success_is_a_beta_estimate_that_forgets_with_a_half_life_of_30_s) {
    rung_evidence e;
    time_point now{1h};
    EXPECT_DOUBLE_EQ(e.snapshot().success, 0.9);  // nothing known
    e.fold(now);
    for (int i = 0; i < 10; ++i) e.failed();
    EXPECT_DOUBLE_EQ(e.snapshot().success, 9.0 / 20) << "what was not folded yet counts, too";
    e.fold(now += 1s);
    EXPECT_DOUBLE_EQ(e.snapshot().success, 9.0 / 20);
    e.fold(now += 30s);
    EXPECT_NEAR(e.snapshot().success, 9.0 / 15, 1e-9);
    for (int i = 0; i < 100; ++i) e.round_trip(1ms);
    EXPECT_NEAR(e.snapshot().success, 109.0 / 115, 1e-9);
    EXPECT_EQ(e.snapshot().failures, 10u);
    EXPECT_EQ(e.snapshot().successes, 100u);
}

TEST(rung_outcomes, throughput_is_the_best_second_of_the_last_window_or_two) {
    rung_evidence e;
    time_point now{1h};
    e.fold(now);
    e.moved(5'000'000);
    e.fold(now += 1s);
    e.moved(1'000);
    e.fold(now += 1s);
    EXPECT_DOUBLE_EQ(e.snapshot().bytes_per_s, 5e6);
    for (int i = 0; i < 60; ++i) e.fold(now += 1s);
    EXPECT_DOUBLE_EQ(e.snapshot().bytes_per_s, 5e6) << "the window before still counts";
    for (int i = 0; i < 60; ++i) e.fold(now += 1s);
    EXPECT_DOUBLE_EQ(e.snapshot().bytes_per_s, 0);
}

TEST(rung_outcomes, answers_to_offers_are_kept_apart_from_round_trips_and_count_as_samples) {
    rung_evidence e;
    e.round_trip(100us);
    e.answered(10ms);
    const auto n = e.snapshot();
    EXPECT_EQ(n.latency, 100us);
    EXPECT_EQ(n.answer, 10ms);
    EXPECT_EQ(n.samples, 2u);
}

TEST(rung_outcomes, threads_that_feed_it_lose_no_count) {
    rung_evidence e;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) {
                e.answered(50us);
                e.moved(3);
                e.failed();
            }
        });
    time_point now{1h};
    for (int i = 0; i < 100; ++i) e.fold(now += 1ms);
    for (auto& t : threads) t.join();
    e.fold(now += 1ms);
    EXPECT_EQ(e.snapshot().successes, 40'000u);
    EXPECT_EQ(e.snapshot().failures, 40'000u);
    EXPECT_EQ(e.snapshot().samples, 40'000u);
}

}  // namespace
}  // namespace sigrun
