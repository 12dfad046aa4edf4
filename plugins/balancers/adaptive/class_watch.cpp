#include "class_watch.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sigrun::adaptive {
namespace {

constexpr std::uint32_t k_windows = 3;
constexpr double k_one_sided_95 = 1.645;

double mean_of(const std::array<double, k_windows>& a) { return std::accumulate(a.begin(), a.end(), 0.0) / k_windows; }

/// What share of the time would surely have been saved, had the other one placed all jobs.
double surely_gained(const sigrun_policy_stats& own, const sigrun_policy_stats& other) {
    const auto square_error = [](const sigrun_policy_stats& s) {
        return s.deviation * s.deviation / static_cast<double>(s.jobs);
    };
    const double error = std::sqrt(square_error(own) + square_error(other));
    return (own.mean - other.mean - k_one_sided_95 * error) / own.mean;
}

}  // namespace

void class_watch::become(std::uint32_t policy, std::uint8_t why) {
    policy_ = policy;
    why_ = why;
    age_s_ = 0;
    windows_ = 0;
    on_watch_ = false;
    stop_trying();
}

/// The next windows are compared with the last ones.
void class_watch::switch_to(std::uint32_t policy, std::uint8_t why) {
    const std::uint32_t before = policy_;
    const bool comparable = windows_ >= k_windows;
    p99_before_ = mean_of(p99_);
    become(policy, why);
    before_ = before;
    on_watch_ = comparable;
}

void class_watch::expect(std::uint32_t policy) {
    if (policy == expected_ || on_watch_) return;
    // Before the first window it costs nothing to have thought otherwise.
    if (windows_ && age_s_ < dwell_s_) return;
    const bool learned = policy_ != expected_;
    expected_ = policy;
    if (!learned) switch_to(policy, SIGRUN_CHOICE_PRIOR);
}

void class_watch::stop_trying() noexcept { tried_ = tries_ = better_ = 0; }

void class_watch::lose(std::uint32_t policy) {
    become(policy, SIGRUN_CHOICE_LOST);
    dwell_s_ = k_least_dwell_s;
}

void class_watch::observe(const sigrun_policy_stats& own, const sigrun_policy_stats* other,
                          const std::vector<std::uint32_t>& candidates) {
    age_s_ += own.window_s;
    if (own.jobs + (other ? other->jobs : 0) < k_enough_jobs) return stop_trying();
    p99_[windows_++ % k_windows] = own.p99;
    if (on_watch_) {
        watch_switch();
        return;
    }
    if (other && other->policy == tried_ && other->jobs >= k_enough_tried) {
        judge(own, *other);
        if (why_ == SIGRUN_CHOICE_EVIDENCE && on_watch_) return;
    }
    if (!tried_ || (tries_ >= k_windows && !better_)) try_next(candidates);
}

void class_watch::watch_switch() {
    if (windows_ < k_windows) return;
    on_watch_ = false;
    if (mean_of(p99_) > (1 + k_gain) * p99_before_) {
        dwell_s_ = std::min(2 * dwell_s_, k_longest_dwell_s);
        become(before_, SIGRUN_CHOICE_ROLLBACK);
    } else {
        dwell_s_ = k_least_dwell_s;
    }
}

void class_watch::judge(const sigrun_policy_stats& own, const sigrun_policy_stats& other) {
    ++tries_;
    better_ = own.mean > 0 && surely_gained(own, other) > k_gain ? better_ + 1 : 0;
    if (better_ < k_windows || windows_ < k_windows || age_s_ < dwell_s_) return;
    switch_to(other.policy, SIGRUN_CHOICE_EVIDENCE);
}

void class_watch::try_next(const std::vector<std::uint32_t>& candidates) {
    stop_trying();
    if (candidates.empty()) return;
    auto at = std::find(candidates.begin(), candidates.end(), last_tried_);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        at = at == candidates.end() || at + 1 == candidates.end() ? candidates.begin() : at + 1;
        if (*at == policy_) continue;
        tried_ = last_tried_ = *at;
        return;
    }
}

}  // namespace sigrun::adaptive
