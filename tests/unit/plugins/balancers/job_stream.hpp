// Jobs that come, run and end on a made_fleet, in virtual time: for what a balancer does with slow, failing and recovering
// runners. Costs of runners follow their results as in the host (selection: relative execution time per success), and one
// pick in a hundred is to explore.
#pragma once

#include "unit/plugins/balancers/balancer_rig.hpp"

#include <cmath>
#include <deque>
#include <queue>
#include <random>

namespace sigrun::test {

class job_stream {
public:
    struct runner {
        double slowness = 1;  // execution time, times this
        bool fails = false;   // at once
    };
    /// `load`: jobs that arrive in the time of a usual job, per place of the fleet.
    job_stream(balancer_rig& rig, made_fleet& fleet, double load, std::uint64_t seed)
        : rig_(rig), fleet_(fleet), random_(seed) {
        double places = 0;
        for (std::uint32_t slot : fleet.runners()) places += fleet.places(slot);
        gap_ = 1 / (load * places);
    }
    runner& at(std::uint32_t slot) { return runners_[slot]; }
    /// Off: the host tells no costs, and runners keep the one they have.
    bool measure_costs = true;
    /// So many failures in a row take a runner out, for good; 0 = never.
    int eject_after = 0;

    /// Where the next n jobs went.
    std::map<std::uint32_t, int> run(int n) {
        std::map<std::uint32_t, int> went;
        for (int i = 0; i < n; ++i) {
            next_ += std::exponential_distribution(1 / gap_)(random_);
            while (!running_.empty() && running_.top().end <= next_) finish(went);
            now(next_);
            if (waiting_ || !place(went)) ++waiting_;
        }
        return went;
    }
    int failures(std::uint32_t slot) const { return history_.contains(slot) ? history_.at(slot).all_failures : 0; }

private:
    static constexpr double k_usual_us = 10'000;
    struct job {
        double end, began;
        std::uint32_t slot;
        bool operator<(const job& o) const { return end > o.end; }  // the queue's top ends first
    };
    struct history {
        double e = 1, successes = 0, failures = 0;
        int in_a_row = 0, all_failures = 0;
    };

    void now(double t) { rig_.now_ns = 1'000'000'000 + static_cast<std::uint64_t>(t * k_usual_us * 1000); }
    bool place(std::map<std::uint32_t, int>& went) {
        const bool explore = random_() % 100 == 0;
        const auto got = rig_.pick(fleet_, 1, explore ? std::uint16_t{SIGRUN_REQ_EXPLORE} : std::uint16_t{0});
        if (!got.n) return false;
        const std::uint32_t slot = got.slot[0];
        const runner& r = runners_[slot];
        const double at = std::max(next_at_, next_);
        const double work = 0.5 + std::exponential_distribution(2.0)(random_);  // mean 1
        fleet_.claim(slot);
        running_.push({at + (r.fails ? 0.01 : work * r.slowness), at, slot});
        ++went[slot];
        return true;
    }
    void finish(std::map<std::uint32_t, int>& went) {
        const job j = running_.top();
        running_.pop();
        fleet_.release(j.slot);
        now(j.end);
        const bool failed = runners_[j.slot].fails;
        sigrun_done d{};
        d.slot = j.slot;
        d.status = failed ? 2 : 0;
        d.exec_us = static_cast<std::uint64_t>((j.end - j.began) * k_usual_us);
        rig_.done(d);
        learn(j, failed);
        next_at_ = j.end;
        if (waiting_ && place(went)) --waiting_;
        next_at_ = 0;
    }
    void learn(const job& j, bool failed) {
        history& h = history_[j.slot];
        h.successes *= 0.95;
        h.failures *= 0.95;
        if (failed) {
            ++h.failures;
            ++h.all_failures;
            if (++h.in_a_row == eject_after) fleet_.set_open(j.slot, false);
        } else {
            ++h.successes;
            h.in_a_row = 0;
            mean_ += 0.01 * (j.end - j.began - mean_);
            h.e += 0.1 * ((j.end - j.began) / mean_ - h.e);
        }
        if (!measure_costs) return;
        const double success = (h.successes + 9) / (h.successes + h.failures + 10);
        fleet_.set_cost(j.slot, static_cast<int>(256 * std::log2(h.e / std::max(success, 0.05))));
    }

    balancer_rig& rig_;
    made_fleet& fleet_;
    std::mt19937_64 random_;
    std::map<std::uint32_t, runner> runners_;
    std::map<std::uint32_t, history> history_;
    std::priority_queue<job> running_;
    double gap_, next_ = 0, next_at_ = 0, mean_ = 1;
    int waiting_ = 0;
};

/// The share of some slots among all jobs.
inline double share_of(const std::map<std::uint32_t, int>& went, const std::vector<std::uint32_t>& slots) {
    double all = 0, some = 0;
    for (const auto& [slot, n] : went) all += n;
    for (std::uint32_t slot : slots)
        if (went.contains(slot)) some += went.at(slot);
    return some / all;
}

}  // namespace sigrun::test
