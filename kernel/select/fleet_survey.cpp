#include "kernel/select/fleet_survey.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {

void fleet_survey::moments::add(double x) noexcept {
    n += 1;
    sum += x;
    squares += x * x;
}
double fleet_survey::moments::variance() const noexcept {
    return n < 2 ? 0 : std::max(0.0, squares / n - mean() * mean());
}

void fleet_survey::add(const runner_estimate& e, const fleet_estimate& all) noexcept {
    if (attempts(e) >= k_attempts) success_.add(success_rate(e));
    if (e.samples < k_runners) return;
    speed_.add(static_cast<double>(e.exec_log2));
    noise_ += e.noise(all);
}

bool fleet_survey::stands_out(const runner_estimate& e, const fleet_estimate& all) const noexcept {
    const double n = attempts(e), rate = n >= k_attempts ? success_rate(e) : 1;
    if (rate >= outlier_below_) return false;
    const double mean = all.success.load(std::memory_order_relaxed);
    // One job of twenty may fail by chance, whatever was seen so far.
    const double usual = std::min(mean, 0.95);
    return rate < mean - k_errors * std::sqrt(usual * (1 - usual) / n);
}

void fleet_survey::conclude(fleet_estimate& all) noexcept {
    // What differs more than noise explains is a difference between runners.
    const double noise = speed_.n > 0 ? noise_ / speed_.n : 0;
    if (speed_.n >= 2)
        all.spread.store(static_cast<float>(std::max(0.0, speed_.variance() - noise)), std::memory_order_relaxed);
    const double success = success_.n > 0 ? success_.mean() : 1;
    all.success.store(static_cast<float>(success), std::memory_order_relaxed);
    outlier_below_ = success_.n < k_runners ? 0 : success - k_deviations * std::sqrt(success_.variance());
    success_ = speed_ = {};
    noise_ = 0;
}

}  // namespace sigrun
