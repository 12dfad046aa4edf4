#include "kernel/link/rung_history.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t k_second = 1'000'000'000;

// `minutes` samples of 6 pings each, around 500 us with noise of 10 %, and `growth` percent of it more per hour.
rung_history made(std::uint64_t seed, int minutes, double growth) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> noise(1, 0.1);
    rung_history h;
    for (int i = 0; i < minutes; ++i) {
        for (int k = 0; k < 6; ++k) {
            const double us = 500 * (1 + growth / 100 * i / 60) * std::max(noise(random), 0.1);
            h.observe(nanoseconds(static_cast<std::int64_t>(us * 1000)));
        }
        h.add((1'000'000 + 60 * i) * k_second, 1, 0, 24h);
    }
    return h;
}

TEST(mission_F5, a_seeded_trend_is_found_with_its_slope) {
    int found = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const auto rising = made(seed, 120, 10).latency_trend();
        if (rising.way == rung_history::direction::rising && std::abs(rising.percent_per_hour - 9) < 4) ++found;
        EXPECT_NE(rising.way, rung_history::direction::falling);
    }
    EXPECT_GE(found, 195);
    EXPECT_EQ(made(1, 120, -10).latency_trend().way, rung_history::direction::falling);
}

TEST(mission_F5, white_noise_is_no_trend) {
    int wrong = 0;
    for (std::uint64_t seed = 0; seed < 1000; ++seed)
        wrong += made(seed, 120, 0).latency_trend().way != rung_history::direction::none;
    EXPECT_LE(wrong, 25) << "10 of 1000 are to be expected";
}

TEST(mission_F5, too_few_samples_say_nothing) {
    EXPECT_EQ(made(1, 9, 1000).latency_trend().way, rung_history::direction::none);
    EXPECT_EQ(rung_history{}.latency_trend().way, rung_history::direction::none);
}

TEST(mission_C25, samples_are_dropped_after_the_retention) {
    rung_history h;
    for (int i = 0; i < 100; ++i) h.add(i * 60 * k_second, 1, 0, 30min);
    EXPECT_EQ(h.samples().size(), 31u);
    EXPECT_EQ(h.samples().front().at_s, 69 * 60);
}

TEST(mission_C25, a_day_of_samples_is_kept_in_a_bounded_number_that_covers_it) {
    rung_history h;
    double all = 0;
    for (int i = 0; i < 1440; ++i) {
        h.observe(nanoseconds((i + 1) * 1000));
        all += i + 1;
        h.add(i * 60 * k_second, 1, 0, 48h);
        ASSERT_LE(h.samples().size(), rung_history::k_most);
    }
    EXPECT_GE(h.samples().size(), rung_history::k_most / 2 - 1);
    EXPECT_LE(h.samples().front().at_s, 600);
    EXPECT_EQ(h.samples().back().at_s, 1439 * 60);
    double sum = 0;
    for (const auto& s : h.samples()) sum += static_cast<double>(s.latency_us);
    EXPECT_NEAR(sum / static_cast<double>(h.samples().size()), all / 1440, 10);
}

TEST(mission_C25, one_sample_is_due_per_interval) {
    rung_history h;
    time_point now{1h};
    EXPECT_FALSE(h.due(now, 60s));
    EXPECT_FALSE(h.due(now + 59s, 60s));
    EXPECT_TRUE(h.due(now + 60s, 60s));
    EXPECT_FALSE(h.due(now + 61s, 60s));
}

}  // namespace
}  // namespace sigrun
