#include "kernel/link/evidence.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {

void latency_sketch::add(nanoseconds value) noexcept {
    const double us = std::max(static_cast<double>(value.count()) / 1000, 1.0);
    const auto at = std::min(static_cast<std::size_t>(std::lround(4 * std::log2(us))), k_buckets - 1);
    counts_[at].fetch_add(1, std::memory_order_relaxed);
    if (total_.fetch_add(1, std::memory_order_relaxed) + 1 < k_full) return;
    std::uint32_t kept = 0;
    for (auto& c : counts_) {
        const auto half = static_cast<std::uint16_t>(c.load(std::memory_order_relaxed) / 2);
        c.store(half, std::memory_order_relaxed);
        kept += half;
    }
    total_.store(kept, std::memory_order_relaxed);
}

nanoseconds latency_sketch::quantile(double q) const noexcept {
    std::uint64_t all = 0;
    for (const auto& c : counts_) all += c.load(std::memory_order_relaxed);
    if (!all) return nanoseconds(0);
    const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < k_buckets; ++i) {
        seen += counts_[i].load(std::memory_order_relaxed);
        if (seen >= std::max<std::uint64_t>(wanted, 1))
            return nanoseconds(static_cast<std::int64_t>(1000 * std::exp2(static_cast<double>(i) / 4)));
    }
    return nanoseconds(0);
}

void smoothed_time::add(nanoseconds value) noexcept {
    const auto sample = std::max<std::int64_t>(value.count(), 1);
    const auto before = value_.load(std::memory_order_relaxed);
    value_.store(before ? std::max<std::int64_t>(before + (sample - before) / 10, 1) : sample,
                 std::memory_order_relaxed);
}

void rung_evidence::round_trip(nanoseconds rtt) noexcept {
    latency_.add(rtt);
    latencies_.add(rtt);
    samples_.fetch_add(1, std::memory_order_relaxed);
    new_successes_.fetch_add(1, std::memory_order_relaxed);
}

void rung_evidence::answered(nanoseconds after) noexcept {
    answer_.add(after);
    answers_.add(after);
    samples_.fetch_add(1, std::memory_order_relaxed);
    new_successes_.fetch_add(1, std::memory_order_relaxed);
}

void rung_evidence::fold(time_point now, nanoseconds rate_window) noexcept {
    const auto good = new_successes_.exchange(0, std::memory_order_relaxed);
    const auto bad = new_failures_.exchange(0, std::memory_order_relaxed);
    const auto bytes = new_bytes_.exchange(0, std::memory_order_relaxed);
    all_successes_ += good;
    all_failures_ += bad;
    if (folded_ == time_point{}) {
        folded_ = window_began_ = now;
        successes_ = static_cast<double>(good);
        failures_ = static_cast<double>(bad);
        return;
    }
    const double seconds = std::chrono::duration<double>(now - folded_).count();
    if (seconds <= 0) {
        new_bytes_.fetch_add(bytes, std::memory_order_relaxed);
        successes_ += static_cast<double>(good);
        failures_ += static_cast<double>(bad);
        return;
    }
    folded_ = now;
    const double kept = std::exp2(-seconds / std::chrono::duration<double>(k_half_life).count());
    successes_ = successes_ * kept + static_cast<double>(good);
    failures_ = failures_ * kept + static_cast<double>(bad);
    if (now - window_began_ >= rate_window) {
        best_rate_before_ = now - window_began_ < 2 * rate_window ? best_rate_ : 0;
        best_rate_ = 0;
        window_began_ = now;
    }
    best_rate_ = std::max(best_rate_, static_cast<double>(bytes) / seconds);
}

rung_evidence::numbers rung_evidence::snapshot() const noexcept {
    numbers n;
    n.latency = latency_.now();
    n.latency_p99 = latencies_.quantile(0.99);
    n.answer = answer_.now();
    n.answer_p99 = answers_.quantile(0.99);
    const double good = successes_ + static_cast<double>(new_successes_.load(std::memory_order_relaxed));
    const double bad = failures_ + static_cast<double>(new_failures_.load(std::memory_order_relaxed));
    n.success = (good + 9) / (good + bad + 10);
    n.bytes_per_s = std::max(best_rate_, best_rate_before_);
    n.samples = samples_.load(std::memory_order_relaxed);
    n.successes = all_successes_ + new_successes_.load(std::memory_order_relaxed);
    n.failures = all_failures_ + new_failures_.load(std::memory_order_relaxed);
    return n;
}

}  // namespace sigrun
