#include "kernel/metrics/latency_counts.hpp"

#include <algorithm>

namespace sigrun {

std::uint64_t latency_snapshot::total() const noexcept {
    std::uint64_t n = 0;
    for (const auto each : in) n += each;
    return n;
}

double latency_snapshot::quantile_ns(double share) const noexcept {
    const auto all = static_cast<double>(total());
    if (all <= 0) return -1;
    const double wanted = share * all;
    double below = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const auto here = static_cast<double>(in[i]);
        if (here > 0 && below + here >= wanted) {
            const auto from = i ? static_cast<double>(bounds[i - 1]) : 0.0;
            return from + (static_cast<double>(bounds[i]) - from) * std::max(0.0, wanted - below) / here;
        }
        below += here;
    }
    return static_cast<double>(bounds.back());
}

latency_snapshot latency_snapshot::since(const latency_snapshot& before) const noexcept {
    latency_snapshot out;
    for (std::size_t i = 0; i < in.size(); ++i) out.in[i] = in[i] - before.in[i];
    out.sum_ns = sum_ns - before.sum_ns;
    return out;
}

void latency_counts::record(std::int64_t ns) noexcept {
    ns = std::max<std::int64_t>(ns, 0);
    const auto& bounds = latency_snapshot::bounds;
    const auto at = static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), ns) - bounds.begin());
    in_[at].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(ns), std::memory_order_relaxed);
}

latency_snapshot latency_counts::snapshot() const noexcept {
    latency_snapshot out;
    for (std::size_t i = 0; i < in_.size(); ++i) out.in[i] = in_[i].load(std::memory_order_relaxed);
    out.sum_ns = sum_ns_.load(std::memory_order_relaxed);
    return out;
}

}  // namespace sigrun
