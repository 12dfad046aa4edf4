// Goals 1, 2, 3, 6 and 20: what a pick costs, through the plugin's table alone and whole, hot and with cold caches.
#include "bench/select/fleet.hpp"
#include "bench/select/goals.hpp"
#include "bench/select/timing.hpp"

#include <array>
#include <map>

namespace sigrun::bench {
namespace {

constexpr std::array k_goal_1{10.0, 12.0, 40.0}, k_goal_2{50.0, 50.0, 100.0}, k_goal_3{900.0, 1000.0, 1300.0};
constexpr std::uint32_t k_sizes[] = {10'000, 100'000, 1'000'000};

/// The goal for the nearest size that the table has.
double goal_for(std::uint32_t runners, const std::array<double, 3>& goals) {
    for (std::size_t i = 0; i < 3; ++i)
        if (runners <= k_sizes[i]) return goals[i];
    return goals[2];
}

struct pick_figures {
    double through_abi = 0, abi_batch = 0, cycle = 0, dependent = 0, l2_p50 = 0, l2_p99 = 0, dram_p50 = 0, dram_p99 = 0;
    bool decided = true;  // by the balancer, not by the built-in choice
};

void occupy(fleet& f) {
    for (std::size_t i = 0; i < f.slots.size(); ++i)
        if (i * 7919 % 10 < 3) f.index->claim_existing(f.slots[i]);
}

/// The plugin's table, on a view as the selector publishes it: all pages feasible, no claim.
void time_table(fleet& f, const std::string& name, const goal_options& o, pick_figures& out) {
    const auto every = f.index->intern(requirement::compile("").value());
    pick_request q;
    q.pred = every.get();
    q.balancer = f.index->balancer_id("capture");
    f.index->release(f.index->pick(q).slot);
    const captured_view seen = captured();
    const auto b = plugin_balancer(name);
    const auto* table = b->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
    if (SIGRUN_HAS(table, on_snapshot)) {
        const sigrun_delta everything{sizeof everything, 0, 0, nullptr};
        table->on_snapshot(b->abi(), &seen.view, &everything);
    }
    void* state = SIGRUN_HAS(table, thread_init) ? table->thread_init(b->abi(), 1) : nullptr;
    std::array<sigrun_req, 64> requests{};
    std::array<sigrun_pick, 64> picks{};
    for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].pred_id = 1;
        requests[i].protos = 0xffff;
        requests[i].want_k = 1;
        requests[i].now_ns = 1'000'000'000;
        requests[i].rng = i * 0x9e3779b97f4a7c15u;
    }
    auto once = [&](std::uint32_t n) {
        for (std::uint32_t i = 0; i < n; ++i) requests[i].rng += 0x9e3779b97f4a7c15u * 64;
        table->pick(state, &seen.view, requests.data(), n, seen.pages.data(), picks.data());
    };
    out.through_abi = hot_time([&] { once(1); }, o.seconds, 64).p50;
    out.abi_batch = hot_time([&] { once(64); }, o.seconds, 1).p50 / 64;
    if (SIGRUN_HAS(table, thread_fini)) table->thread_fini(b->abi(), state);
}

pick_figures measure(std::uint32_t n, const std::string& name, const goal_options& o, bool dram) {
    fleet f(n, name);
    occupy(f);
    pick_figures out;
    time_table(f, name, o, out);
    // 64 requirements that ask for the same, so that one pick can lead to the next.
    std::vector<predicate_ptr> predicates;
    for (int i = 0; i < 64; ++i)
        predicates.push_back(f.index->intern(
            requirement::compile(std::string(k_requirement) + " && cpu.effective_cores != " + std::to_string(1000 + i))
                .value()));
    pick_request q;
    q.pred = predicates[0].get();
    q.balancer = f.index->balancer_id(name);
    std::uint32_t last = 0;
    auto cycle = [&] {
        const pick_result got = f.index->pick(q);
        out.decided = out.decided && got.explain.reason != SIGRUN_WHY_BUILTIN_FALLBACK;
        last = got.slot.slot;
        f.index->release(got.slot);
    };
    out.cycle = hot_time(cycle, o.seconds).p50;
    const quantiles l2 = cold_time(cycle, cache_sweep::of_l2(), o.cold_samples * 5);
    out.l2_p50 = l2.p50;
    out.l2_p99 = l2.p99;
    if (dram) {
        const quantiles cold = cold_time(cycle, cache_sweep::of_all(), o.cold_samples);
        out.dram_p50 = cold.p50;
        out.dram_p99 = cold.p99;
    }
    out.dependent = hot_time(
                        [&] {
                            q.pred = predicates[last % predicates.size()].get();
                            cycle();
                        },
                        o.seconds)
                        .p50;
    return out;
}

}  // namespace

void report_picks(const goal_options& o) {
    for (const std::string& name : o.balancers) {
        std::vector<pick_figures> all;
        for (const std::uint32_t n : o.runners) all.push_back(measure(n, name, o, name == o.balancers.front()));
        auto column = [&](double pick_figures::*of) {
            std::vector<double> out;
            for (const auto& f : all) out.push_back(f.*of);
            return out;
        };
        auto goals = [&](const std::array<double, 3>& by_size) {
            std::vector<double> out;
            for (const std::uint32_t n : o.runners) out.push_back(goal_for(n, by_size));
            return out;
        };
        auto same = [&](double goal) { return std::vector<double>(o.runners.size(), goal); };
        std::vector<double> rate, rate_goals;
        for (std::size_t i = 0; i < all.size(); ++i) {
            rate.push_back(1e3 / all[i].cycle);
            rate_goals.push_back(o.runners[i] <= 10'000 ? 10 : 5);
        }
        report("1  " + name + ": through the table, unfiltered", column(&pick_figures::through_abi), goals(k_goal_1),
               "ns");
        report("1  " + name + ": the same in batches of 64", column(&pick_figures::abi_batch), {}, "ns");
        report("2  " + name + ": filtered pick, claim, release", column(&pick_figures::cycle), goals(k_goal_2), "ns");
        report("2  " + name + ": each pick decides the next", column(&pick_figures::dependent), {}, "ns");
        report("3  " + name + ": filtered cycle, L2 cold, p50", column(&pick_figures::l2_p50), {}, "ns");
        report("3  " + name + ": filtered cycle, L2 cold, p99", column(&pick_figures::l2_p99), goals(k_goal_3), "ns");
        if (name == o.balancers.front()) {
            report("3  " + name + ": filtered cycle, DRAM cold, p50", column(&pick_figures::dram_p50), {}, "ns");
            report("3  " + name + ": filtered cycle, DRAM cold, p99", column(&pick_figures::dram_p99), same(3000),
                   "ns");
            report("20 " + name + ": the same against the seed's 10 us", column(&pick_figures::dram_p99), same(10'000),
                   "ns");
        }
        report("6  " + name + ": filtered cycles on one core", rate, rate_goals, "M/s", true);
        for (std::size_t i = 0; i < all.size(); ++i)
            if (!all[i].decided)
                report("   " + name + ": some picks were the built-in choice, runners", {double(o.runners[i])}, {}, "");
    }
}

}  // namespace sigrun::bench
