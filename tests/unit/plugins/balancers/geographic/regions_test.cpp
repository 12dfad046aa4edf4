// Three regions in virtual time: jobs come, run, wait in line when they are told to, and pay the way there and back.
#include "unit/plugins/balancers/geographic/this_plugin.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <queue>

namespace {

using namespace sigrun;
using namespace sigrun::test;

constexpr std::uint64_t k_second = 1'000'000'000;

class world {
public:
    explicit world(std::uint64_t seed) : plugin(seed), random_(seed) {
        const std::uint32_t unknown = SIGRUN_UNKNOWN_US;
        fleet.set_zones({{unknown, 500, 40'000, 90'000},
                         {unknown, 0, 40'000, 90'000},
                         {unknown, 40'000, 0, 60'000},
                         {unknown, 90'000, 60'000, 0}});
        for (std::uint16_t z = 1; z <= 3; ++z) fleet.add(25, {2, 1024, z}, 1000u * z);
    }
    struct second {
        int jobs = 0, away = 0, furthest = 0;
        double latency_ms = 0;  // mean, from submission to the answer
    };
    /// Jobs from region 1, exponential with `mean_ms`, at `load` times what region 1 can do; second by second.
    std::vector<second> run(int seconds, double load, double mean_ms) {
        std::vector<second> out(static_cast<std::size_t>(seconds));
        const std::uint64_t begin = plugin.now_ns, end = begin + static_cast<std::uint64_t>(seconds) * k_second;
        const double per_ns = load * 50 / (mean_ms * 1e6);
        std::exponential_distribution<double> gap(per_ns), exec(1 / (mean_ms * 1e6));
        auto next = begin + static_cast<std::uint64_t>(gap(random_));
        std::uint64_t sweep = begin + k_second;
        while (true) {
            const std::uint64_t done = running_.empty() ? ~0ull : running_.top().first;
            const std::uint64_t at = std::min({next, done, sweep});
            if (at >= end) break;
            plugin.now_ns = at;
            if (at == done) {
                const std::uint32_t slot = running_.top().second;
                running_.pop();
                fleet.release(slot);
                learn(slot, mean_ms);
                late(exec, begin, out);
            } else if (at == next) {
                if (!place(at, exec, SIGRUN_REQ_MAY_WAIT, begin, out)) wait(at);
                next = at + 1 + static_cast<std::uint64_t>(gap(random_));
            } else {
                late(exec, begin, out);  // as a daemon does, for what every wake-up missed
                sweep += k_second;
            }
        }
        plugin.now_ns = end;
        for (second& s : out) s.latency_ms /= std::max(s.jobs, 1);
        return out;
    }

    geographic_plugin plugin;
    hand_kept_fleet fleet;

private:
    using exec_times = std::exponential_distribution<double>;

    void wait(std::uint64_t since) {
        line_.push_back(since);
        fleet.waiting = static_cast<std::uint32_t>(line_.size());
    }
    /// A place became free, or a second passed: the first in line, which is told to go on waiting for a second at most.
    void late(exec_times& exec, std::uint64_t begin, std::vector<second>& out) {
        if (line_.empty()) return;
        const std::uint64_t since = line_.front();
        if (!place(since, exec, plugin.now_ns - since < k_second ? SIGRUN_REQ_MAY_WAIT : 0, begin, out)) return;
        line_.pop_front();
        fleet.waiting = static_cast<std::uint32_t>(line_.size());
    }
    bool place(std::uint64_t since, exec_times& exec, std::uint16_t flags, std::uint64_t begin,
               std::vector<second>& out) {
        const sigrun_pick got = plugin.pick(fleet, 1, flags);
        if (!got.n) return false;
        const std::uint32_t slot = got.slot[0];
        fleet.claim(slot);
        const std::uint32_t zone = fleet.of(slot).zone;
        // The way there and back is time in which the place is held.
        const double took = exec(random_) + fleet.rtt_us[SIGRUN_ZONES + zone] * 1e3;
        running_.emplace(plugin.now_ns + 1 + static_cast<std::uint64_t>(took), slot);
        second& s = out[(plugin.now_ns - begin) / k_second];
        ++s.jobs;
        s.away += zone != 1;
        s.furthest += zone == 3;
        s.latency_ms += (static_cast<double>(plugin.now_ns - since) + took) / 1e6;
        return true;
    }
    /// What the host learns from answers.
    void learn(std::uint32_t slot, double mean_ms) {
        fleet.zones[fleet.of(slot).zone].exec_us = static_cast<std::uint32_t>(mean_ms * 1000);
    }

    std::mt19937_64 random_;
    using ending = std::pair<std::uint64_t, std::uint32_t>;
    std::priority_queue<ending, std::vector<ending>, std::greater<>> running_;
    std::deque<std::uint64_t> line_;  // since when
};

double share_away(const std::vector<world::second>& seconds, std::size_t from) {
    double jobs = 0, away = 0;
    for (std::size_t i = from; i < seconds.size(); ++i) jobs += seconds[i].jobs, away += seconds[i].away;
    return away / jobs;
}
double latency(const std::vector<world::second>& seconds, std::size_t from) {
    double jobs = 0, sum = 0;
    for (std::size_t i = from; i < seconds.size(); ++i)
        jobs += seconds[i].jobs, sum += seconds[i].latency_ms * seconds[i].jobs;
    return sum / jobs;
}

TEST(geographic, mission_A5_three_regions_spill_under_load_and_return_after_it) {
    for (std::uint64_t seed : {1u, 2u}) {
        // Jobs of 20 ms; the next region is 40 ms away.
        world w(seed);
        const auto calm = w.run(10, 0.6, 20);
        EXPECT_EQ(share_away(calm, 0), 0) << "all of them find a place at home";
        EXPECT_NEAR(latency(calm, 0), 20, 1);
        // A fifth more than home can do: that fifth goes next door, at once, and nobody to the other end of the world. The
        // share does not swing to and fro.
        const auto busy = w.run(20, 1.2, 20);
        const double mean = share_away(busy, 1);
        double deviation = 0;
        EXPECT_NEAR(mean, 1 - 1 / 1.2, 0.05);
        for (std::size_t i = 0; i < busy.size(); ++i) {
            EXPECT_EQ(busy[i].furthest, 0) << i;
            const double share = busy[i].away / static_cast<double>(busy[i].jobs);
            if (i) deviation += (share - mean) * (share - mean) / static_cast<double>(busy.size() - 1);
        }
        EXPECT_LT(std::sqrt(deviation), 0.06);
        // Nobody waits longer than the way to the next region is worth, not even in the first second.
        EXPECT_LT(latency(busy, 0), 20 + 1.1 * 40);
        // After it, home again.
        const auto after = w.run(10, 0.6, 20);
        EXPECT_EQ(share_away(after, 1), 0);
        EXPECT_NEAR(latency(after, 1), 20, 1);
    }
}

TEST(geographic, mission_A5_long_jobs_go_further_at_once_when_home_is_full) {
    world w(4);
    // Jobs of 3 s: a wait for a place would cost 30 ms, and more with each that waits already.
    w.run(5, 0.5, 3000);
    const auto flood = w.run(30, 2.5, 3000);
    double furthest = 0, jobs = 0;
    for (std::size_t i = 15; i < flood.size(); ++i) furthest += flood[i].furthest, jobs += flood[i].jobs;
    EXPECT_NEAR(share_away(flood, 15), 1 - 1 / 2.5, 0.08);
    EXPECT_GT(furthest / jobs, 0.1) << "the next region is full as well";
    EXPECT_LT(latency(flood, 15), 3000 + 500);
}

}  // namespace
