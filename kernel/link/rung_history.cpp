#include "kernel/link/rung_history.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::size_t k_least = 10;
constexpr double k_one_percent = 2.576;  // two-sided

// Each counts by how many intervals it stands for.
rung_history::sample merged(const rung_history::sample& a, const rung_history::sample& b, float weight_a,
                            float weight_b) {
    rung_history::sample out;
    out.at_s = b.at_s;
    const float all = weight_a + weight_b;
    out.success = (a.success * weight_a + b.success * weight_b) / all;
    out.bytes_per_s = std::max(a.bytes_per_s, b.bytes_per_s);
    out.latency_us = a.latency_us == 0   ? b.latency_us
                     : b.latency_us == 0 ? a.latency_us
                                         : (a.latency_us * weight_a + b.latency_us * weight_b) / all;
    return out;
}

double median(std::vector<double>& of) {
    const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
    std::nth_element(of.begin(), middle, of.end());
    return *middle;
}

}  // namespace

void rung_history::observe(nanoseconds round_trip) noexcept {
    sum_us_ += static_cast<double>(round_trip.count()) / 1000;
    ++count_;
}

bool rung_history::due(time_point now, nanoseconds interval) noexcept {
    if (closed_ == time_point{}) closed_ = now;
    if (now - closed_ < interval) return false;
    closed_ = now;
    return true;
}

void rung_history::add(std::int64_t wall_ns, double success, double bytes_per_s, nanoseconds retention) {
    sample fresh{wall_ns / 1'000'000'000, count_ ? static_cast<float>(sum_us_ / count_) : 0,
                 static_cast<float>(success), static_cast<float>(bytes_per_s)};
    sum_us_ = 0;
    count_ = 0;
    if (open_ > 0 && open_ < per_sample_ && !samples_.empty()) {
        samples_.back() = merged(samples_.back(), fresh, static_cast<float>(open_), 1);
        ++open_;
    } else {
        samples_.push_back(fresh);
        open_ = 1;
    }
    const auto oldest = fresh.at_s - retention / std::chrono::seconds(1);
    std::erase_if(samples_, [&](const sample& s) { return s.at_s < oldest; });
    if (samples_.size() <= k_most) return;
    std::vector<sample> half;
    for (std::size_t i = 0; i + 1 < samples_.size(); i += 2) half.push_back(merged(samples_[i], samples_[i + 1], 1, 1));
    if (samples_.size() % 2) {
        half.push_back(samples_.back());
    } else {
        open_ += per_sample_;
    }
    per_sample_ *= 2;
    samples_ = std::move(half);
}

rung_history::trend rung_history::latency_trend() const {
    std::vector<sample> seen;
    for (const auto& s : samples_)
        if (s.latency_us > 0) seen.push_back(s);
    const auto n = seen.size();
    if (n < k_least) return {};
    double s = 0;
    std::vector<double> slopes, values;
    slopes.reserve(n * (n - 1) / 2);
    for (std::size_t i = 0; i < n; ++i) {
        values.push_back(static_cast<double>(seen[i].latency_us));
        for (std::size_t j = i + 1; j < n; ++j) {
            const double rise = static_cast<double>(seen[j].latency_us) - static_cast<double>(seen[i].latency_us);
            s += (rise > 0) - (rise < 0);
            const auto hours = static_cast<double>(seen[j].at_s - seen[i].at_s) / 3600;
            if (hours > 0) slopes.push_back(rise / hours);
        }
    }
    const double m = static_cast<double>(n);
    const double deviation = std::sqrt(m * (m - 1) * (2 * m + 5) / 18);
    const double z = (s - (s > 0 ? 1 : s < 0 ? -1 : 0)) / deviation;
    if (std::abs(z) < k_one_percent || slopes.empty()) return {};
    return {z > 0 ? direction::rising : direction::falling, 100 * median(slopes) / median(values)};
}

}  // namespace sigrun
