// The goals as numbers, and whether they are held. What was not run says so.
#include "bench/sim/regret.hpp"

#include <cstdarg>
#include <cstdio>

namespace sigrun::sim {
namespace {

constexpr const char* k_default = "idle_first";
constexpr const char* k_leastconn = "least_connections";

__attribute__((format(printf, 3, 4))) void say(bool held, const char* goal, const char* format, ...) {
    std::printf("  %-9s %s: ", held ? "held" : "NOT HELD", goal);
    va_list args;
    va_start(args, format);
    std::vprintf(format, args);
    va_end(args);
    std::printf("\n");
}
void not_run(const char* goal, const char* what) { std::printf("  %-9s %s: %s\n", "not run", goal, what); }

void to_oracle(const summary& all, const char* goal, const char* regime, const char* policy, double at_most) {
    const row* r = all.find(regime, policy);
    if (!r || !r->to_oracle.n) return not_run(goal, (std::string(policy) + " in " + regime).c_str());
    say(r->to_oracle.mean <= at_most, goal, "%s in %s is %.2f x the oracle's p99 (%.2f .. %.2f), goal %.2f", policy,
        regime, r->to_oracle.mean, r->to_oracle.low, r->to_oracle.high, at_most);
}

/// p99 of one policy against another's; 0 if either was not run.
double against(const summary& all, const std::string& regime, const char* policy, const char* other) {
    const row *a = all.find(regime, policy), *b = all.find(regime, other);
    return a && b && b->p99.mean > 0 ? a->p99.mean / b->p99.mean : 0;
}

void never_worse(const summary& all, const char* policy, const char* other) {
    const std::string goal = std::string(policy) + " never > " + other + " + 3 %";
    double worst = 0;
    std::string where;
    int regimes = 0, over = 0;
    for (const regime* r : all.regimes()) {
        const double ratio = against(all, r->name, policy, other);
        if (ratio <= 0) continue;
        ++regimes;
        over += ratio > 1.03;
        if (ratio > worst) worst = ratio, where = r->name;
    }
    if (!regimes) return not_run(goal.c_str(), "not both of them are there");
    say(!over, goal.c_str(), "worst %.3f x in %s; over 1.03 in %d of %d regimes", worst, where.c_str(), over, regimes);
}

void slowed(const summary& all, const char* policy) {
    const row* r = all.find("slowed", policy);
    if (!r) return not_run("goal 13", policy);
    const std::size_t first = r->tenth_reached();
    const std::string when =
        first < k_slowed_bins ? "90 % after " + std::to_string(first) + " job times" : "never 90 %";
    say(r->excess_from(3) <= 0.1, "goal 13",
        "%s: %.0f %% of the excess share of a runner turned 4x slow is gone after 3 job times, goal 90 %%; %s", policy,
        100 * (1 - r->excess_from(3)), when.c_str());
}

void sinkholes(const summary& all, const char* policy) {
    const row* r = all.find("sinkhole", policy);
    if (!r) return not_run("goal 14", policy);
    say(r->avoided >= 0.97 && r->failures_to_detect <= 20, "goal 14",
        "%s: %.1f %% of failures in sinkholes avoided, goal 97 %%; %.1f failures to detect one, goal 20", policy,
        100 * r->avoided, r->failures_to_detect);
}

void adaptive(const summary& all) {
    const regret r(all);
    const double own = r.of_suite(k_adaptive);
    if (own <= 0) return not_run("goal 17", "adaptive and another balancer plugin in the same regimes");
    say(own <= 1.05, "goal 17", "adaptive %.3f x the best fixed policy over %zu regimes (%s), goal 1.05", own,
        r.lines().size(), r.best_of_suite()->name.c_str());
    const regret::worst_case worst = r.worst(k_adaptive);
    say(worst.ratio <= 1.05, "goal 17, each regime",
        "adaptive at worst %.3f x the policy that is best there (%s in %s), goal 1.05", worst.ratio,
        worst.best->name.c_str(), worst.where->name.c_str());
}

}  // namespace

void print_verdicts(const summary& all) {
    std::printf("\nGoals (p99; mean of the seeds)\n");
    to_oracle(all, "goal 9", "n1000_c1_90", k_default, 1.20);
    to_oracle(all, "goal 9", "rtt_half_ms", k_default, 1.20);
    to_oracle(all, "goal 10", "n20_c1_97", k_default, 1.15);
    to_oracle(all, "goal 11", "n125_c8_90", k_default, 1.12);
    if (const double ratio = against(all, "n125_c8_90", k_default, k_leastconn); ratio > 0)
        say(ratio <= 1.03, "goal 11", "%s %.3f x least_connections in n125_c8_90, goal 1.03", k_default, ratio);
    to_oracle(all, "goal 12, without gossip", "controllers4", k_default, 1.50);
    for (const char* policy : {k_default, k_adaptive, "performance"}) slowed(all, policy);
    for (const char* policy : {k_default, k_adaptive, "performance"}) sinkholes(all, policy);
    adaptive(all);
    for (const char* regime : {"n1000_c1_70", "n1000_c1_90", "n100_c1_97", "n20_c1_97", "equal_90"})
        to_oracle(all, "late binding", regime, k_default, 1.20);
    for (const char* policy : {k_default, k_adaptive})
        for (const char* exact : {k_leastconn, "re:leastconn"}) never_worse(all, policy, exact);
}

}  // namespace sigrun::sim
