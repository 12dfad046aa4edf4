// 100,000 runners, 50 requirements, 1,000 changes a second of what runners can do and how they are: what a selection takes
// meanwhile, from the call of pick to the claimed place. Issue: p99 at most 5 us.
#include "bench/select/simulated_fleet.hpp"
#include "bench/select/timing.hpp"
#include "kernel/log/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::bench;

constexpr double k_goal_us = 5;

struct choice {
    std::uint32_t runners = 100'000;
    std::uint32_t changes_per_s = 1000;
    double seconds = 10;
    std::string balancer = "round_robin";  // as the daemon's default_algorithm
};

double resident_mib() {
    std::ifstream statm("/proc/self/statm");
    double pages = 0, held = 0;
    statm >> pages >> held;
    return held * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

double at(const std::vector<float>& sorted, double share) {
    if (sorted.empty()) return 0;
    const auto i = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
    return static_cast<double>(sorted[std::min(i, sorted.size() - 1)]) * 1e-3;
}

/// Changes, beats and the look of each second, as the daemon's control thread makes them.
struct churn {
    std::uint64_t changes = 0;
    std::array<std::uint64_t, static_cast<std::size_t>(change_kind::count)> of{};
    std::array<double, static_cast<std::size_t>(change_kind::count)> took_us{};
    double busy_s = 0;

    void run(simulated_fleet& fleet, selector& select, std::uint32_t per_s, const std::atomic<bool>& stop) {
        const auto began = bench_clock::now();
        auto next_look = began + std::chrono::seconds(1);
        while (!stop.load(std::memory_order_relaxed)) {
            const auto turn = bench_clock::now();
            const double passed = std::chrono::duration<double>(turn - began).count();
            while (static_cast<double>(changes) < passed * per_s && !stop.load(std::memory_order_relaxed)) {
                const auto start = bench_clock::now();
                const auto kind = static_cast<std::size_t>(fleet.change());
                took_us[kind] += ns_since(start) * 1e-3;
                ++of[kind];
                ++changes;
            }
            fleet.beat();
            if (turn >= next_look) {
                next_look += std::chrono::seconds(1);
                select.tick();
                select.look_at_balancers();
            }
            busy_s += ns_since(turn) * 1e-9;
            std::this_thread::sleep_until(turn + std::chrono::milliseconds(1));
        }
    }
};

struct outcome {
    std::vector<float> all;  // ns of each pick
    std::vector<std::vector<float>> by_requirement;
    std::uint64_t picked = 0, queued = 0, unschedulable = 0, built_in = 0;
    double seconds = 0;
};

/// Picks by turns for all requirements; each job holds its place while `k_held` others are picked, and then tells how it
/// fared. `per_s` 0: one pick after the other.
outcome dispatch(selector& select, const std::vector<predicate_ptr>& asked, double seconds, double per_s) {
    constexpr std::size_t k_held = 20'000;
    struct held {
        slot_ref slot;
        std::uint32_t asked = ~0u;
        std::uint8_t policy = 0;
    };
    std::vector<held> jobs(k_held);
    outcome out;
    out.by_requirement.resize(asked.size());
    std::uint64_t random = 7;
    const auto began = bench_clock::now();
    const auto release = [&](held& j) {
        if (j.asked == ~0u) return;
        job_feedback f;
        f.slot = j.slot;
        f.pred = asked[j.asked].get();
        f.end.exec_us = 5'000 + static_cast<double>(random >> 50);
        select.feedback(f, j.policy);
        select.release(j.slot);
        j.asked = ~0u;
    };
    for (std::size_t n = 0;; ++n) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        release(jobs[n % k_held]);
        if (per_s > 0) {
            const auto due =
                began + std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * static_cast<double>(n) / per_s));
            while (bench_clock::now() < due) {
            }
        }
        const auto which = static_cast<std::uint32_t>((random >> 33) % asked.size());
        pick_request q;
        q.pred = asked[which].get();
        const auto start = bench_clock::now();
        const pick_result got = select.pick(q);
        const double took = ns_since(start);
        out.all.push_back(static_cast<float>(took));
        out.by_requirement[which].push_back(static_cast<float>(took));
        switch (got.outcome) {
            case pick_outcome::picked:
                ++out.picked;
                out.built_in += got.explain.reason == SIGRUN_WHY_BUILTIN_FALLBACK;
                jobs[n % k_held] = {got.slot, which, got.explain.policy};
                break;
            case pick_outcome::queued: ++out.queued; break;
            case pick_outcome::unschedulable: ++out.unschedulable; break;
        }
        if (n % 64 == 0 && ns_since(began) > seconds * 1e9) break;
    }
    out.seconds = ns_since(began) * 1e-9;
    for (auto& j : jobs) release(j);
    return out;
}

bool tell(const char* what, outcome o, const churn& c, double changes_for_s, const std::vector<std::string>& texts,
          std::uint32_t wanted) {
    std::sort(o.all.begin(), o.all.end());
    const double p99 = at(o.all, 0.99), reached = static_cast<double>(c.changes) / changes_for_s;
    const bool held = p99 <= k_goal_us && reached >= 0.95 * wanted;
    std::printf(
        "%s: %.0f selections/s, %.0f changes/s: p50 %.2f us, p99 %.2f us, p99.9 %.2f us, longest %.0f us; at most "
        "%.0f us: %s\n",
        what, static_cast<double>(o.all.size()) / o.seconds, reached, at(o.all, 0.5), p99, at(o.all, 0.999),
        at(o.all, 1), k_goal_us, held ? "held" : "NOT HELD");
    std::printf("    picked %llu (%.1f %% by the built-in choice), must wait %llu, nobody matches %llu\n",
                static_cast<unsigned long long>(o.picked),
                100.0 * static_cast<double>(o.built_in) / std::max(1.0, static_cast<double>(o.picked)),
                static_cast<unsigned long long>(o.queued), static_cast<unsigned long long>(o.unschedulable));
    std::vector<std::pair<double, std::size_t>> slowest;
    for (std::size_t i = 0; i < o.by_requirement.size(); ++i) {
        std::sort(o.by_requirement[i].begin(), o.by_requirement[i].end());
        slowest.emplace_back(at(o.by_requirement[i], 0.99), i);
    }
    std::sort(slowest.rbegin(), slowest.rend());
    for (std::size_t i = 0; i < std::min<std::size_t>(3, slowest.size()); ++i)
        std::printf("    slowest: p50 %.2f us, p99 %.2f us  %s\n", at(o.by_requirement[slowest[i].second], 0.5),
                    slowest[i].first, texts[slowest[i].second].c_str());
    const char* names[] = {"fast fact", "measured fact", "capability", "drained or back", "link lost and back"};
    std::printf("    control thread busy %.0f %%; a change takes:", 100 * c.busy_s / changes_for_s);
    for (std::size_t k = 0; k < c.of.size(); ++k)
        std::printf(" %s %.0f us;", names[k], c.of[k] ? c.took_us[k] / static_cast<double>(c.of[k]) : 0.0);
    std::printf("\n");
    std::fflush(stdout);
    return held;
}

bool measure(const choice& what) {
    controller all(what.runners, what.balancer);
    auto start = bench_clock::now();
    const double before = resident_mib();
    simulated_fleet fleet(all, what.runners);
    std::printf("%u runners with %s registered in %.1f s: %.0f MiB resident, %.0f before\n", what.runners,
                what.balancer.c_str(), ns_since(start) * 1e-9, resident_mib(), before);
    std::fflush(stdout);
    const auto texts = machine_requirements(what.runners);
    start = bench_clock::now();
    std::vector<predicate_ptr> asked;
    for (const auto& text : texts) asked.push_back(all.select().intern(requirement::compile(text).value()));
    std::printf("%zu requirements judged in %.1f ms\n", texts.size(), ns_since(start) * 1e-6);
    bool held = true;
    for (const double per_s : {0.0, 10'000.0}) {
        std::atomic<bool> stop{false};
        churn changes;
        const auto began = bench_clock::now();
        std::thread control([&] { changes.run(fleet, all.select(), what.changes_per_s, stop); });
        // Until it is in its stride.
        dispatch(all.select(), asked, 1, per_s);
        outcome o = dispatch(all.select(), asked, what.seconds, per_s);
        stop = true;
        const double lasted = ns_since(began) * 1e-9;
        control.join();
        held &= tell(per_s > 0 ? "10,000 a second" : "back to back", std::move(o), changes, lasted, texts,
                     what.changes_per_s);
    }
    std::printf("at the end: %.0f MiB resident, %llu index bits repaired\n", resident_mib(),
                static_cast<unsigned long long>(all.select().index_repairs()));
    return held && !all.select().index_repairs();
}

constexpr const char* k_help =
    "selection_under_change [RUNNERS [CHANGES_PER_SECOND [SECONDS [BALANCER]]]]\n"
    "Default: 100000 1000 10 round_robin. Exit status 1: the goal is not held.\n";

}  // namespace

int main(int argc, char** argv) {
    choice what;
    if (argc > 5 || (argc > 1 && argv[1][0] == '-')) {
        const bool asked = argc == 2 && std::string(argv[1]) == "--help";
        std::fputs(k_help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    if (argc > 1) what.runners = static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10));
    if (argc > 2) what.changes_per_s = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    if (argc > 3) what.seconds = std::strtod(argv[3], nullptr);
    if (argc > 4) what.balancer = argv[4];
    if (what.runners < 1000 || what.runners > 1'000'000 || what.changes_per_s > 1'000'000 || !(what.seconds > 0)) {
        std::fprintf(stderr,
                     "selection_under_change: expected 1000 to 1000000 runners, up to 1000000 changes, seconds "
                     "above 0\n");
        return 2;
    }
    set_log_level(log_level::warning);
    try {
        return measure(what) ? 0 : 1;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "selection_under_change: %s\n", e.what());
        return 1;
    }
}
