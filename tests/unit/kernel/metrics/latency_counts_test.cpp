#include "kernel/metrics/latency_counts.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

TEST(latency_counts, each_value_is_in_the_bucket_whose_bound_it_does_not_exceed) {
    latency_counts counts;
    for (const auto bound : latency_snapshot::bounds) {
        counts.record(bound);
        counts.record(bound + 1);
    }
    const auto seen = counts.snapshot();
    EXPECT_EQ(seen.total(), 2 * latency_snapshot::bounds.size());
    EXPECT_EQ(seen.in.front(), 1u);
    for (std::size_t i = 1; i + 1 < seen.in.size(); ++i) EXPECT_EQ(seen.in[i], 2u) << i;
    EXPECT_EQ(seen.in.back(), 1u);
}

TEST(latency_counts, a_clock_that_went_back_counts_as_no_time) {
    latency_counts counts;
    counts.record(-5);
    EXPECT_EQ(counts.snapshot().in.front(), 1u);
    EXPECT_EQ(counts.snapshot().sum_ns, 0u);
}

TEST(latency_counts, quantiles_lie_in_the_bucket_of_the_value) {
    latency_counts counts;
    EXPECT_LT(counts.snapshot().quantile_ns(0.5), 0);
    for (int i = 0; i < 99; ++i) counts.record(2'000'000);
    counts.record(20'000'000'000);
    const auto seen = counts.snapshot();
    EXPECT_GT(seen.quantile_ns(0.5), 1'000'000);
    EXPECT_LE(seen.quantile_ns(0.5), 2'500'000);
    EXPECT_LE(seen.quantile_ns(0.99), 2'500'000);
    EXPECT_GT(seen.quantile_ns(0.995), 10'000'000'000);
    EXPECT_LE(seen.quantile_ns(1), 30'000'000'000);
    counts.record(1'000'000'000'000'000);
    EXPECT_EQ(counts.snapshot().quantile_ns(1), 3'600'000'000'000.0);
}

TEST(latency_counts, what_came_since_is_the_difference) {
    latency_counts counts;
    counts.record(1'000'000);
    const auto before = counts.snapshot();
    counts.record(3'000'000'000);
    const auto since = counts.snapshot().since(before);
    EXPECT_EQ(since.total(), 1u);
    EXPECT_EQ(since.sum_ns, 3'000'000'000u);
    EXPECT_GT(since.quantile_ns(0.5), 2'500'000'000);
}

}  // namespace
}  // namespace sigrun
