// The simulator against what is known without it: queueing theory, and that a run repeats itself.
#include "bench/sim/simulation.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sigrun::sim {
namespace {

/// Poisson arrivals, exponential sizes, equal speeds.
regime markovian(std::uint32_t runners, std::uint32_t places, double load) {
    regime r;
    r.name = "markovian";
    r.runners = runners;
    r.places = places;
    r.load = load;
    r.sizes = size_law::exponential;
    r.mixed_speeds = r.slow_phases = false;
    return r;
}

figures run(const regime& r, const char* policy, std::uint32_t jobs, std::uint64_t seed = 1) {
    return simulate(r, *find_policy(policy), {seed, jobs});
}

/// Mean wait of M/M/c in ms: Erlang's C over c * mu - lambda.
double erlang_wait(std::uint32_t c, double load) {
    const double offered = load * c;
    double term = 1, sum = 1;
    for (std::uint32_t k = 1; k < c; ++k) sum += term *= offered / k;
    term *= offered / c;
    const double all_busy = term / (1 - load) / (sum + term / (1 - load));
    return all_busy * 10 / (c * (1 - load));
}

void expect_erlang(const regime& r, const char* policy) {
    const double expected = erlang_wait(r.runners * r.places, r.load);
    double mean = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) mean += run(r, policy, 1'000'000, seed).mean_wait_ms / 3;
    EXPECT_NEAR(mean, expected, 0.03 * expected) << policy;
}

TEST(simulation, theory_of_one_server) { expect_erlang(markovian(1, 1, 0.7), "round_robin"); }
TEST(simulation, theory_of_many_runners) { expect_erlang(markovian(8, 1, 0.7), "round_robin"); }
TEST(simulation, theory_of_many_places) { expect_erlang(markovian(2, 4, 0.7), "least_connections"); }
TEST(simulation, theory_of_the_oracle) { expect_erlang(markovian(4, 2, 0.8), "oracle"); }

TEST(simulation, one_server_has_the_known_quantiles) {
    // The response time of M/M/1 is exponential.
    const regime r = markovian(1, 1, 0.5);
    const figures f = run(r, "re:leastconn", 1'000'000);
    EXPECT_NEAR(f.p50_ms, 20 * std::log(2.0), 0.03 * f.p50_ms);
    EXPECT_NEAR(f.p99_ms, 20 * std::log(100.0), 0.05 * f.p99_ms);
}

TEST(simulation, a_run_repeats_itself) {
    for (const char* name : {"n20_c1_97", "sinkhole", "controllers4", "dispatch16_90", "zones"})
        for (const char* policy : {"round_robin", "least_connections", "oracle", "re:peak_ewma"}) {
            const regime& r = *find_regime(name);
            const figures first = run(r, policy, 1500), second = run(r, policy, 1500), other = run(r, policy, 1500, 2);
            EXPECT_EQ(first.digest, second.digest) << name << ", " << policy;
            EXPECT_NE(first.digest, other.digest) << name << ", " << policy;
        }
}

TEST(simulation, a_round_trip_is_paid_once) {
    regime near = markovian(50, 1, 0.2), far = near;
    far.rtt_low = far.rtt_high = 4 * k_ms;
    const double more = run(far, "round_robin", 100'000).mean_ms - run(near, "round_robin", 100'000).mean_ms;
    EXPECT_NEAR(more, 4, 0.1);
}

TEST(simulation, no_job_is_lost_and_none_runs_in_a_sinkhole_for_good) {
    const regime& r = *find_regime("sinkhole");
    for (const char* policy : {"oracle", "round_robin", "re:jiq"}) {
        const figures f = run(r, policy, 20'000);
        EXPECT_EQ(f.measured + f.gave_up, 12'000u) << policy;
        EXPECT_GE(f.attempts, f.measured + f.on_sinkholes) << policy;
    }
    EXPECT_EQ(run(r, "oracle", 20'000).on_sinkholes, 0u);
    EXPECT_GT(run(r, "re:jiq", 20'000).on_sinkholes, 1000u);  // a sinkhole is nearly always idle
}

}  // namespace
}  // namespace sigrun::sim
