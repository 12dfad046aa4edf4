// Latencies in buckets of 1/64 of their power of two: quantiles within 1.6 %. Recording is wait-free and
// [any].
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace sigrun::cli {

class latency_histogram {
public:
    void record(std::uint64_t ns) noexcept { buckets_[index(ns)].fetch_add(1, std::memory_order_relaxed); }
    std::uint64_t count() const noexcept {
        std::uint64_t sum = 0;
        for (const auto& b : buckets_) sum += b.load(std::memory_order_relaxed);
        return sum;
    }
    /// The middle of the bucket below which the share `q` (0..1) of all records lies; 0 without records.
    std::uint64_t quantile(double q) const noexcept {
        const std::uint64_t all = count();
        if (all == 0) return 0;
        const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(all - 1)) + 1;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            seen += buckets_[i].load(std::memory_order_relaxed);
            if (seen >= wanted) return (lower(i) + lower(i + 1)) / 2;
        }
        return lower(buckets_.size());
    }

private:
    static constexpr unsigned k_bits = 6, k_per_octave = 1u << k_bits;
    static constexpr unsigned k_octaves = 40;  // up to about 19 hours

    static std::size_t index(std::uint64_t ns) noexcept {
        if (ns < k_per_octave) return static_cast<std::size_t>(ns);
        const auto octave = static_cast<unsigned>(std::bit_width(ns)) - k_bits - 1;
        if (octave + 1 >= k_octaves) return k_octaves * k_per_octave - 1;
        return (octave + 1) * k_per_octave + static_cast<std::size_t>((ns >> octave) - k_per_octave);
    }
    static std::uint64_t lower(std::size_t i) noexcept {
        if (i < 2 * k_per_octave) return i;
        const std::size_t octave = i / k_per_octave - 1;
        return (k_per_octave + i % k_per_octave) << octave;
    }

    std::array<std::atomic<std::uint64_t>, k_octaves * k_per_octave> buckets_{};
};

}  // namespace sigrun::cli
