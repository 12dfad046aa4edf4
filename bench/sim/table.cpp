#include "bench/sim/summary.hpp"

#include <cstdio>

namespace sigrun::sim {
namespace {

void print_row(const policy_kind& who, const row& r, const regime& where) {
    std::printf("  %-18s %8.2f %9.1f %9.1f  %8.1f ..%8.1f", who.name.c_str(), r.p50.mean, r.p99.mean, r.p999.mean,
                r.p99.low, r.p99.high);
    if (r.to_oracle.n) std::printf("  %6.2f  %5.2f ..%6.2f", r.to_oracle.mean, r.to_oracle.low, r.to_oracle.high);
    if (where.sinkholes > 0)
        std::printf("  %5.1f %% avoided, %.1f failures to detect, %.2f %% gave up", 100 * r.avoided,
                    r.failures_to_detect, 100 * r.gave_up);
    if (where.degraded > 0) std::printf("  %5.1f %% of the excess left after 3 job times", 100 * r.excess_from(3));
    std::printf("\n");
}

}  // namespace

void print_table(const summary& all) {
    for (const regime* where : all.regimes()) {
        std::printf("\n%s: %s\n  %-18s %8s %9s %9s  %18s  %6s  %13s\n", where->name.c_str(), where->about.c_str(),
                    "policy", "p50 ms", "p99 ms", "p99.9 ms", "p99 of the seeds", "x best", "of the seeds");
        for (const policy_kind* who : all.policies())
            if (const row* r = all.find(where->name, who->name)) print_row(*who, *r, *where);
    }
}

void print_json(const std::vector<cell>& cells) {
    std::printf("[");
    const char* between = "\n";
    for (const cell& c : cells) {
        const figures& f = c.found;
        std::printf(
            "%s{\"regime\":\"%s\",\"policy\":\"%s\",\"seed\":%llu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f,"
            "\"mean_ms\":%.4f,\"mean_wait_ms\":%.4f,\"measured\":%llu,\"attempts\":%llu,\"on_sinkholes\":%llu,"
            "\"gave_up\":%llu,\"failures_to_detect\":%.3f,\"simulated_s\":%.3f,\"digest\":\"%016llx\"}",
            between, c.where->name.c_str(), c.who->name.c_str(), static_cast<unsigned long long>(c.options.seed),
            f.p50_ms, f.p99_ms, f.p999_ms, f.mean_ms, f.mean_wait_ms, static_cast<unsigned long long>(f.measured),
            static_cast<unsigned long long>(f.attempts), static_cast<unsigned long long>(f.on_sinkholes),
            static_cast<unsigned long long>(f.gave_up), f.failures_to_detect, f.simulated_s,
            static_cast<unsigned long long>(f.digest));
        between = ",\n";
    }
    std::printf("\n]\n");
}

}  // namespace sigrun::sim
