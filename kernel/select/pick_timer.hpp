// How long picks take: one of 64 is timed, by the clock on the wall, and counted in buckets whose bounds grow by half or a third.
// Recording is [any], lock-free, and takes no memory; a pick that is not timed pays for one increment of its thread's own.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sigrun {

/// Of all timed picks so far. Times in nanoseconds.
struct pick_time_counts {
    /// Upper bounds of the buckets, each bound included; one more bucket is for what took longer.
    static constexpr std::array<std::uint32_t, 18> bounds{50,    75,     100,    150,     200,     300,
                                                          500,   750,    1'000,  1'500,   2'000,   3'000,
                                                          5'000, 10'000, 30'000, 100'000, 300'000, 1'000'000};
    std::array<std::uint64_t, bounds.size() + 1> in{};
    std::uint64_t sum_ns = 0;

    std::uint64_t total() const noexcept;
    /// The bound that this share (0..1] of the picks did not exceed; 0 without picks, -1 if that is beyond the last bound.
    double quantile_ns(double share) const noexcept;
};

class pick_timer {
public:
    /// True for one of 64 picks of a thread.
    static bool times_this_one() noexcept;
    void record(std::int64_t ns) noexcept;
    /// Buckets are read one after the other: picks that end meanwhile may be in it or not.
    pick_time_counts counts() const noexcept;

private:
    std::array<std::atomic<std::uint64_t>, pick_time_counts::bounds.size() + 1> in_{};
    std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace sigrun
