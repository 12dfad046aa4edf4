// How long something took, how often: counts in buckets from 10 us to an hour, the same for everything, so that what is counted can be
// scraped as a histogram and charted over time. Recording is [any], lock-free, takes no memory and costs two increments.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sigrun {

/// What was counted up to some moment. Times in nanoseconds.
struct latency_snapshot {
    /// Upper bounds of the buckets, each bound included; one more bucket is for what took longer.
    static constexpr std::array<std::int64_t, 24> bounds{
        10'000,         25'000,         50'000,         100'000,         250'000,           500'000,
        1'000'000,      2'500'000,      5'000'000,      10'000'000,      25'000'000,        50'000'000,
        100'000'000,    250'000'000,    500'000'000,    1'000'000'000,   2'500'000'000,     5'000'000'000,
        10'000'000'000, 30'000'000'000, 60'000'000'000, 300'000'000'000, 1'800'000'000'000, 3'600'000'000'000};
    std::array<std::uint64_t, bounds.size() + 1> in{};
    std::uint64_t sum_ns = 0;

    std::uint64_t total() const noexcept;
    /// What this share (0..1] did not exceed, as if the values of a bucket were spread evenly over it: never further from the truth than
    /// the bucket is wide, a factor of 2.5 for most. -1 without values; beyond the last bound: that bound.
    double quantile_ns(double share) const noexcept;
    /// What came since `before`, an earlier snapshot of the same counts.
    latency_snapshot since(const latency_snapshot& before) const noexcept;
};

class latency_counts {
public:
    void record(std::int64_t ns) noexcept;
    /// Buckets are read one after the other: values that come meanwhile may be in it or not.
    latency_snapshot snapshot() const noexcept;

private:
    std::array<std::atomic<std::uint64_t>, latency_snapshot::bounds.size() + 1> in_{};
    std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace sigrun
