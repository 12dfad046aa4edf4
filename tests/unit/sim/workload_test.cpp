#include "bench/sim/workload.hpp"

#include "bench/sim/fleet.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace sigrun::sim {
namespace {

class every_regime : public testing::TestWithParam<std::string> {};

TEST_P(every_regime, has_its_load_and_sizes) {
    const regime& r = *find_regime(GetParam());
    constexpr std::uint32_t k_jobs = 1'000'000;
    const auto jobs = make_jobs(r, 1, k_jobs, capacity(r));
    double sum = 0, squares = 0;
    for (const job& j : jobs) {
        const double ms = static_cast<double>(j.work) * 1e-6;
        sum += ms;
        squares += ms * ms;
    }
    const double mean = sum / k_jobs, cv = std::sqrt(squares / k_jobs - mean * mean) / mean;
    EXPECT_NEAR(mean, 10, 0.1);
    EXPECT_NEAR(cv, r.cv, 0.1 * r.cv);
    const double seconds = static_cast<double>(jobs.back().arrival) / static_cast<double>(k_second);
    EXPECT_NEAR(k_jobs / seconds / capacity(r), mean_load(r), (r.burst_load > 0 ? 0.15 : 0.01) * mean_load(r));
}

std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const regime& r : all_regimes()) out.push_back(r.name);
    return out;
}
INSTANTIATE_TEST_SUITE_P(sim_workload, every_regime, testing::ValuesIn(names()),
                         [](const auto& each) { return each.param; });

TEST(sim_workload, twelve_regimes_are_the_suite) {
    std::set<std::string> suite;
    for (const regime& r : all_regimes())
        if (r.in_suite) suite.insert(r.name);
    EXPECT_EQ(suite.size(), 12u);
}

TEST(sim_workload, keys_are_reused_as_zipf_says) {
    regime r;
    r.keys = 100;
    std::map<std::uint64_t, int> seen;
    for (const job& j : make_jobs(r, 1, 100'000, capacity(r))) ++seen[j.key];
    EXPECT_LE(seen.size(), 100u);
    int most = 0;
    for (const auto& [key, n] : seen) most = std::max(most, n);
    // The first of 100 under Zipf: log 2 / log 101 by the continuous law.
    EXPECT_NEAR(most, 100'000 * std::log(2.0) / std::log(101.0), 500);
}

}  // namespace
}  // namespace sigrun::sim
