#include "kernel/select/estimate.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr double k_rate = 0.1;         // weight of one more job in a runner's estimate
constexpr double k_class_rate = 0.01;  // in that of a class
constexpr double k_failing_rate = 0.02;
constexpr double k_second_ns = 1e9;
constexpr double k_speed_half_life_ns = 60 * k_second_ns;
constexpr double k_count_half_life_ns = 30 * k_second_ns;
constexpr double k_prior = 9;  // successes that a runner is credited with
/// Farther from the mean than so many standard deviations of noise, a speed is believed although the others are alike.
constexpr double k_surely = 2.5;

using real = std::atomic<float>;

double get(const real& v) noexcept { return v.load(std::memory_order_relaxed); }
void blend(real& into, double value, double rate) noexcept {
    const double old = get(into);
    into.store(static_cast<float>(old + rate * (value - old)), std::memory_order_relaxed);
}
/// The mean of the first observations, then a moving one.
double rate_of(std::uint32_t seen, double settled) noexcept { return std::max(settled, 1.0 / (seen + 1.0)); }
double halved(double passed_ns, double half_life_ns) noexcept { return std::exp2(-passed_ns / half_life_ns); }

}  // namespace

void class_estimate::note(const job_end& end) noexcept {
    const bool own_fault = end.status == outcome_status::failed_by_user;
    if (end.status != outcome_status::failed_by_infrastructure)
        blend(failing_, own_fault, rate_of(ended_.fetch_add(1, std::memory_order_relaxed) + 1, k_failing_rate));
    if (end.status != outcome_status::succeeded) return;
    const double exec = std::max(end.exec_us, 1.0), power = std::log2(exec);
    const double rate = rate_of(n_.fetch_add(1, std::memory_order_relaxed), k_class_rate);
    blend(mean_us_, exec, rate);
    blend(mean_square_, exec * exec, rate);
    blend(mean_log2_, power, rate);
    bins_[std::min(static_cast<std::size_t>(power * k_steps), k_bins - 1)].fetch_add(1, std::memory_order_relaxed);
}

double class_estimate::exec_cv() const noexcept {
    const double mean = mean_exec_us();
    if (samples() < 2 || mean <= 0) return 0;
    return std::sqrt(std::max(get(mean_square_) / (mean * mean) - 1, 0.0));
}

double class_estimate::exec_quantile_us(double share) const noexcept {
    std::uint64_t total = 0;
    for (const auto& b : bins_) total += b.load(std::memory_order_relaxed);
    if (!total) return 0;
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
    std::uint64_t below = 0;
    std::size_t i = 0;
    for (; i + 1 < k_bins; ++i)
        if ((below += bins_[i].load(std::memory_order_relaxed)) >= wanted) break;
    return std::exp2((static_cast<double>(i) + 0.5) / k_steps);
}

void runner_estimate::take_over(const runner_estimate& from) noexcept {
    exec_log2 = from.exec_log2;
    wait_us = from.wait_us;
    rtt_us = from.rtt_us;
    mean_us = from.mean_us;
    successes = from.successes;
    failures = from.failures;
    straggler_log2 = from.straggler_log2;
    samples = from.samples;
    failures_in_a_row = from.failures_in_a_row;
    ejections = from.ejections;
    touched_ns = from.touched_ns;
    waited_ns = from.waited_ns;
    began_ns = from.began_ns;
    out_until_ns = from.out_until_ns;
}
void runner_estimate::clear() noexcept { take_over(runner_estimate{}); }

void runner_estimate::fade(std::int64_t now_ns) noexcept {
    const auto passed = static_cast<double>(std::max<std::int64_t>(now_ns - touched_ns, 0));
    touched_ns = now_ns;
    const auto counts = static_cast<float>(halved(passed, k_count_half_life_ns));
    successes *= counts;
    failures *= counts;
    const auto speed = static_cast<float>(halved(passed, k_speed_half_life_ns));
    exec_log2 *= speed;
    wait_us *= speed;
}

void runner_estimate::note(const job_end& end, const class_estimate& cls, fleet_estimate& all,
                           std::int64_t now_ns) noexcept {
    const auto passed = static_cast<double>(std::max<std::int64_t>(now_ns - touched_ns, 0));
    touched_ns = now_ns;
    const double mean = cls.mean_exec_us();
    const auto kept = static_cast<float>(halved(passed, std::max(k_count_half_life_ns, 20e3 * mean)));
    successes *= kept;
    failures *= kept;
    straggler_log2 = 0;
    switch (end.status) {
        case outcome_status::succeeded: {
            failures_in_a_row = 0;
            successes += 1;
            if (cls.samples() < 2) break;  // nothing to compare with
            const double power = std::log2(std::max(end.exec_us, 1.0)) - cls.mean_exec_log2();
            const double off = power - static_cast<double>(exec_log2);
            if (samples > 2) blend(all.noise, off * off, k_class_rate);
            exec_log2 += static_cast<float>(rate_of(samples, k_rate) * off);
            if (samples < 0xffff) ++samples;
            break;
        }
        case outcome_status::failed_by_user: {
            failures_in_a_row = 0;
            const auto blame = static_cast<float>(1 - cls.failing());
            failures += blame;
            successes += 1 - blame;
            break;
        }
        case outcome_status::failed_by_infrastructure:
            failures += 1;
            if (failures_in_a_row < 0xff) ++failures_in_a_row;
            return;  // it says nothing of its queue
    }
    // At once when it grows; forgotten within some jobs, not in a fixed time: jobs take milliseconds or hours.
    const double tau = std::clamp(20 * mean, 0.5e6, 60e6);
    const double left = std::exp(-static_cast<double>(now_ns - waited_ns) * 1e-3 / tau);
    waited_ns = now_ns;
    wait_us = static_cast<float>(std::max(end.wait_us, wait_us * left + end.wait_us * (1 - left)));
    mean_us = static_cast<float>(mean);
    if (end.rtt_us <= 0) return;
    rtt_us += static_cast<float>((end.rtt_us - rtt_us) * (rtt_us > 0 ? k_rate : 1));
    blend(all.rtt_us, end.rtt_us, get(all.rtt_us) > 0 ? k_class_rate : 1);
}

double runner_estimate::success() const noexcept {
    return (static_cast<double>(successes) + k_prior) / (static_cast<double>(successes + failures) + k_prior);
}

double runner_estimate::noise(const fleet_estimate& all) const noexcept {
    return get(all.noise) * std::max(1.0 / samples, k_rate / (2 - k_rate));
}

double runner_estimate::speed_log2(const fleet_estimate& all) const noexcept {
    if (!samples) return straggler_log2;
    const double chance = noise(all), spread = get(all.spread), e = exec_log2;
    const bool sure = samples > 2 && e * e > k_surely * k_surely * chance;
    // Shrunk towards the mean as far as the differences between runners do not stand out from chance.
    const double seen = sure ? e : e * spread / (spread + chance + 1e-9);
    return straggler_log2 > 0 ? std::max(seen, static_cast<double>(straggler_log2)) : seen;
}

double runner_estimate::slow_start(std::int64_t now_ns, std::int64_t window_ns) const noexcept {
    if (!began_ns || window_ns <= 0) return 1;
    return std::clamp(static_cast<double>(now_ns - began_ns) / static_cast<double>(window_ns), 0.1, 1.0);
}

std::uint32_t runner_estimate::cost(const fleet_estimate& all, std::uint32_t weight, std::int64_t now_ns,
                                    std::int64_t slow_start_ns) const noexcept {
    double expected = std::exp2(speed_log2(all));
    if (mean_us > 0) {
        // Against what the mean runner costs, which is as far away as they are on the average.
        const double mean_rtt = get(all.rtt_us), away = rtt_us > 0 ? static_cast<double>(rtt_us) : mean_rtt;
        expected = (expected + (static_cast<double>(wait_us) + away) / mean_us) / (1 + mean_rtt / mean_us);
    }
    const double share = std::max(success(), 0.05) * weight / 1024.0 * slow_start(now_ns, slow_start_ns);
    return static_cast<std::uint32_t>(std::clamp(std::lround(256 * (std::log2(expected / share) + 64)), 0l, 0xffffl));
}

estimate_lock::estimate_lock(runner_estimate& e) noexcept : estimate_(e) {
    for (int tries = 0; e.lock.exchange(1, std::memory_order_acquire); ++tries)
        if (tries > 64) ::sched_yield();  // its holder was preempted
}
estimate_lock::~estimate_lock() { estimate_.lock.store(0, std::memory_order_release); }

}  // namespace sigrun
