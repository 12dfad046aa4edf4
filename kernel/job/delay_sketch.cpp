#include "kernel/job/delay_sketch.hpp"

#include <algorithm>
#include <bit>

namespace sigrun {
namespace {

constexpr std::uint64_t k_smallest = 16'384;  // ns; what is below is of the first size

}  // namespace

std::size_t delay_sketch::size_of(nanoseconds took) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    if (ns < k_smallest) return 0;
    const auto doubling = static_cast<std::uint64_t>(std::bit_width(ns)) - 1;
    const std::uint64_t quarter = ns >> (doubling - 2) & 3;
    return std::min<std::size_t>(k_sizes - 1, 1 + (doubling - 14) * 4 + quarter);
}

nanoseconds delay_sketch::end_of(std::size_t size) noexcept {
    if (size == 0) return nanoseconds(k_smallest);
    const std::uint64_t doubling = 14 + (size - 1) / 4, quarter = (size - 1) % 4;
    return nanoseconds(static_cast<std::int64_t>((5 + quarter) << (doubling - 2)));
}

void delay_sketch::add(nanoseconds took) noexcept {
    counts_[size_of(took)].fetch_add(1, std::memory_order_relaxed);
    if (total_.fetch_add(1, std::memory_order_relaxed) + 1 != k_remembered) return;
    // Only the one who made it full comes here; what is added meanwhile may be halved with the rest.
    std::uint32_t left = 0;
    for (auto& each : counts_) {
        const auto half = each.load(std::memory_order_relaxed) / 2;
        each.fetch_sub(half, std::memory_order_relaxed);
        left += each.load(std::memory_order_relaxed);
    }
    total_.store(std::min(left, k_remembered - 1), std::memory_order_relaxed);
}

std::optional<nanoseconds> delay_sketch::quantile(double q, std::uint32_t at_least) const noexcept {
    std::array<std::uint32_t, k_sizes> counts{};
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < k_sizes; ++i) total += counts[i] = counts_[i].load(std::memory_order_relaxed);
    if (!total || total < at_least) return std::nullopt;
    const double rank = q * static_cast<double>(total);
    double seen = 0;
    for (std::size_t i = 0; i < k_sizes; ++i)
        if ((seen += counts[i]) >= rank && counts[i]) return end_of(i);
    return end_of(k_sizes - 1);
}

}  // namespace sigrun
