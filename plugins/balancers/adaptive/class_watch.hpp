// One requirement class: who picks for it, whom to try, and when to switch.
//
// Another policy is tried with a small share of the picks for three windows at a time. It takes over when in three windows in
// a row the lower bound of its gain was above 5 %, and no switch is younger than the dwell time. If the p99 of the three
// windows after a switch is more than 5 % worse than that of the three before it, the switch is undone and the dwell time
// doubled.
#pragma once

#include <sigrun/balancer.h>

#include <array>
#include <cstdint>
#include <vector>

namespace sigrun::adaptive {

class class_watch {
public:
    explicit class_watch(std::uint32_t policy) : policy_(policy), expected_(policy) {}

    std::uint32_t policy() const noexcept { return policy_; }
    /// 0: nobody, there are too few jobs or there is no other.
    std::uint32_t tried() const noexcept { return tried_; }
    std::uint8_t why() const noexcept { return why_; }

    /// What is known without trying speaks for this one. It is followed if that has changed, nothing else was learned, and the
    /// last switch is old enough; and it is undone like any other.
    void expect(std::uint32_t policy);
    /// A window is over. `other`: of the policy that was tried; null if none was.
    void observe(const sigrun_policy_stats& own, const sigrun_policy_stats* other,
                 const std::vector<std::uint32_t>& candidates);
    /// The candidates have changed; `policy` if the present one is not there any more.
    void lose(std::uint32_t policy);
    void stop_trying() noexcept;

    static constexpr double k_gain = 0.05;
    static constexpr std::uint64_t k_enough_jobs = 1000;  // of a window
    static constexpr std::uint64_t k_enough_tried = 50;
    static constexpr double k_least_dwell_s = 30, k_longest_dwell_s = 600;

private:
    void become(std::uint32_t policy, std::uint8_t why);
    void switch_to(std::uint32_t policy, std::uint8_t why);
    void watch_switch();
    void judge(const sigrun_policy_stats& own, const sigrun_policy_stats& other);
    void try_next(const std::vector<std::uint32_t>& candidates);

    std::uint32_t policy_, expected_, tried_ = 0, last_tried_ = 0, before_ = 0;
    std::uint8_t why_ = SIGRUN_CHOICE_PRIOR;
    double age_s_ = 0, dwell_s_ = k_least_dwell_s;  // age: of the last switch
    std::array<double, 3> p99_{};                   // of the last windows
    std::uint32_t windows_ = 0;                     // with this policy
    std::uint32_t tries_ = 0, better_ = 0;
    bool on_watch_ = false;
    double p99_before_ = 0;
};

}  // namespace sigrun::adaptive
