#include "kernel/select/policy_choice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sigrun {

void log_histogram::note(double value) noexcept {
    const double at = (std::log2(std::max(value, 1e-9)) - k_low) * k_steps;
    const auto bin = static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(bins_.size() - 1)));
    bins_[bin].fetch_add(1, std::memory_order_relaxed);
}

double log_histogram::quantile(double share) const noexcept {
    double total = 0, below = 0;
    for (const auto& b : bins_) total += b.load(std::memory_order_relaxed);
    if (total <= 0) return std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < bins_.size(); ++i) {
        const double here = bins_[i].load(std::memory_order_relaxed);
        if (here > 0 && below + here >= share * total)
            return std::exp2((static_cast<double>(i) + (share * total - below) / here) / k_steps + k_low);
        below += here;
    }
    return std::exp2(static_cast<double>(k_high));
}

void log_histogram::clear() noexcept {
    for (auto& b : bins_) b.store(0, std::memory_order_relaxed);
}

void key_memory::note(std::uint64_t key) noexcept {
    jobs_.fetch_add(1, std::memory_order_relaxed);
    if (!key) return;
    // Fibonacci hashing: keys need not be hashes themselves.
    const std::uint64_t mixed = key * 0x9e3779b97f4a7c15u;
    auto& tag = tags_[mixed >> 53];
    const auto own = static_cast<std::uint16_t>((mixed >> 37) | 1u);
    if (tag.load(std::memory_order_relaxed) == own)
        again_.fetch_add(1, std::memory_order_relaxed);
    else
        tag.store(own, std::memory_order_relaxed);
}

double key_memory::take_reuse() noexcept {
    const auto jobs = static_cast<double>(jobs_.exchange(0, std::memory_order_relaxed));
    const auto again = static_cast<double>(again_.exchange(0, std::memory_order_relaxed));
    return jobs > 0 ? again / jobs : std::numeric_limits<double>::quiet_NaN();
}

void policy_window::note(double relative) noexcept {
    jobs_.fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(relative, std::memory_order_relaxed);
    squares_.fetch_add(relative * relative, std::memory_order_relaxed);
    times_.note(relative);
}

policy_figures policy_window::take() noexcept {
    policy_figures out;
    out.jobs = jobs_.exchange(0, std::memory_order_relaxed);
    const double sum = sum_.exchange(0, std::memory_order_relaxed);
    const double squares = squares_.exchange(0, std::memory_order_relaxed);
    if (out.jobs) {
        const auto n = static_cast<double>(out.jobs);
        out.mean = sum / n;
        out.deviation = std::sqrt(std::max(squares / n - out.mean * out.mean, 0.0));
        out.p99 = times_.quantile(0.99);
    }
    times_.clear();
    return out;
}

void policy_window::begin(std::uint32_t policy) noexcept {
    policy_.store(0, std::memory_order_relaxed);
    take();
    policy_.store(policy, std::memory_order_relaxed);
}

void class_policies::note(std::uint16_t policy, double relative, double wait_us) noexcept {
    waits.note(wait_us);
    if (!policy) return;
    if (picking.policy() == policy)
        picking.note(relative);
    else if (tried.policy() == policy)
        tried.note(relative);
}

policy_figures class_policies::last_of(std::uint16_t policy) const noexcept {
    if (policy == picking_id) return picking_last;
    if (policy == tried_id) return tried_last;
    return policy == before_id ? before_last : policy_figures{};
}

}  // namespace sigrun
