// Selection: a requirement matched, a runner picked through the C ABI of a balancer plugin, claimed and
// released.
//
// Each iteration times a batch of 16 cycles; p50_ns and p99_ns are percentiles of the batch means, so a clock
// reading (about 25 ns) weighs 1.5 ns per cycle. cold_* touch 8 MiB between two single cycles, which empties
// a 1 MiB L2.
#include "bench/select/fleet.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace {

using namespace sigrun;
using clock_type = std::chrono::steady_clock;

double since(clock_type::time_point t) {
    return std::chrono::duration<double, std::nano>(clock_type::now() - t).count();
}

class percentiles {
public:
    percentiles() { values_.reserve(1 << 20); }
    void add(double v) {
        if (values_.size() < values_.capacity()) values_.push_back(v);
    }
    void report(benchmark::State& state, const std::string& prefix = {}) {
        if (values_.empty()) return;
        std::sort(values_.begin(), values_.end());
        state.counters[prefix + "p50_ns"] = values_[values_.size() / 2];
        state.counters[prefix + "p99_ns"] = values_[values_.size() * 99 / 100];
    }

private:
    std::vector<double> values_;
};

bench::fleet& fleet_of(std::uint32_t n, const std::string& only) {
    static std::map<std::pair<std::uint32_t, std::string>, std::unique_ptr<bench::fleet>> fleets;
    auto& f = fleets[{n, only}];
    if (!f) f = std::make_unique<bench::fleet>(n, only);
    return *f;
}

/// About 30 % of the places taken at random, so that levels and tiers differ.
void occupy(bench::fleet& f) {
    static std::map<bench::fleet*, bool> done;
    if (done[&f]) return;
    done[&f] = true;
    for (std::size_t i = 0; i < f.slots.size(); ++i)
        if (i * 7919 % 10 < 3) f.index->claim_existing(f.slots[i]);
}

void cycle(benchmark::State& state, const std::string& balancer, bool only) {
    bench::fleet& f = fleet_of(static_cast<std::uint32_t>(state.range(0)), only ? balancer : "");
    occupy(f);
    const auto p = f.index->intern(requirement::compile(bench::k_requirement).value());
    pick_request q;
    q.pred = p.get();
    q.balancer = f.index->balancer_id(balancer);
    auto one = [&] {
        const pick_result got = f.index->pick(q);
        if (got.outcome != pick_outcome::picked) state.SkipWithError("no runner");
        f.index->release(got.slot);
        return got.explain.reason;
    };
    for (int i = 0; i < 1000; ++i)
        if (one() == SIGRUN_WHY_BUILTIN_FALLBACK) return state.SkipWithError("the balancer did not decide");
    percentiles hot;
    constexpr int k_batch = 16;
    for (auto _ : state) {
        const auto begin = clock_type::now();
        for (int i = 0; i < k_batch; ++i) benchmark::DoNotOptimize(one());
        hot.add(since(begin) / k_batch);
    }
    state.SetItemsProcessed(state.iterations() * k_batch);
    hot.report(state);
    std::vector<std::uint64_t> sweep((8u << 20) / 8);
    percentiles cold;
    for (int i = 0; i < 400; ++i) {
        for (std::size_t k = 0; k < sweep.size(); k += 8) benchmark::DoNotOptimize(++sweep[k]);
        const auto begin = clock_type::now();
        benchmark::DoNotOptimize(one());
        cold.add(since(begin));
    }
    cold.report(state, "cold_");
}
void mission_N2_N6_round_robin(benchmark::State& state) { cycle(state, "round_robin", true); }
void mission_N2_N6_least_connections(benchmark::State& state) { cycle(state, "least_connections", true); }
void mission_N2_N6_idle_first(benchmark::State& state) { cycle(state, "idle_first", true); }
void mission_N2_N6_power_of_d(benchmark::State& state) { cycle(state, "power_of_d", true); }
void mission_N2_N6_performance(benchmark::State& state) { cycle(state, "performance", true); }
void mission_N2_N6_prequal(benchmark::State& state) { cycle(state, "prequal", true); }
void both_loaded_round_robin(benchmark::State& state) { cycle(state, "round_robin", false); }
BENCHMARK(mission_N2_N6_round_robin)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N2_N6_least_connections)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N2_N6_idle_first)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N2_N6_power_of_d)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N2_N6_performance)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N2_N6_prequal)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(both_loaded_round_robin)->Arg(10'000);

/// Only the plugin's pick through its table, on a view as the selector publishes it: no claim.
void abi_pick(benchmark::State& state, const std::string& name) {
    bench::fleet& f = fleet_of(static_cast<std::uint32_t>(state.range(0)), name);
    occupy(f);
    const auto p = f.index->intern(requirement::compile(bench::k_requirement).value());
    pick_request q;
    q.pred = p.get();
    q.balancer = f.index->balancer_id("capture");
    f.index->release(f.index->pick(q).slot);
    const bench::captured_view seen = bench::captured();
    const auto b = bench::plugin_balancer(name);
    const auto* table = b->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
    void* tls = table->thread_init(b->abi(), 1);
    sigrun_req req{};
    req.pred_id = 1;
    req.protos = 0xffff;
    req.want_k = 1;
    sigrun_pick out{};
    percentiles times;
    constexpr int k_batch = 64;
    for (auto _ : state) {
        const auto begin = clock_type::now();
        for (int i = 0; i < k_batch; ++i) {
            req.rng += 0x9e3779b97f4a7c15u;
            table->pick(tls, &seen.view, &req, 1, seen.pages.data(), &out);
            benchmark::DoNotOptimize(out);
        }
        times.add(since(begin) / k_batch);
    }
    if (!out.n) state.SkipWithError("no pick");
    state.SetItemsProcessed(state.iterations() * k_batch);
    times.report(state);
    table->thread_fini(b->abi(), tls);
}
void mission_N3_round_robin(benchmark::State& state) { abi_pick(state, "round_robin"); }
void mission_N3_least_connections(benchmark::State& state) { abi_pick(state, "least_connections"); }
void mission_N3_idle_first(benchmark::State& state) { abi_pick(state, "idle_first"); }
void mission_N3_power_of_d(benchmark::State& state) { abi_pick(state, "power_of_d"); }
void mission_N3_performance(benchmark::State& state) { abi_pick(state, "performance"); }
void mission_N3_prequal(benchmark::State& state) { abi_pick(state, "prequal"); }
BENCHMARK(mission_N3_round_robin)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N3_least_connections)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N3_idle_first)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N3_power_of_d)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N3_performance)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(mission_N3_prequal)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void capability_lookup(benchmark::State& state) {
    const auto doc = bench::document(1);
    const char* keys[] = {"host.arch", "os.arch", "memory.effective_bytes", "filler.key_77", "no.such.key"};
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(doc->find(keys[i++ % std::size(keys)]));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(capability_lookup);

void requirement_compile(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(requirement::compile(bench::k_requirement));
}
BENCHMARK(requirement_compile);

void requirement_match(benchmark::State& state) {
    const auto doc = bench::document(3);
    const label_map labels{{"zone", "eu"}};
    const auto r = requirement::compile(bench::k_requirement).value();
    for (auto _ : state) benchmark::DoNotOptimize(r->matches({doc.get(), &labels}));
}
BENCHMARK(requirement_match);

void predicate_intern_new(benchmark::State& state) {
    bench::fleet& f = fleet_of(static_cast<std::uint32_t>(state.range(0)), "");
    std::vector<requirement_ptr> fresh;
    for (int i = 0; i < 20'000; ++i)
        fresh.push_back(
            requirement::compile("cpu.effective_cores >= 4 && filler.key_3 != " + std::to_string(i)).value());
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(f.index->intern(fresh[i++ % fresh.size()]));
}
BENCHMARK(predicate_intern_new)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void membership_update(benchmark::State& state) {
    bench::fleet& f = fleet_of(10'000, "");
    bool open = false;
    for (auto _ : state) {
        f.index->set_open(f.slots[17], open);
        open = !open;
    }
    f.index->set_open(f.slots[17], true);
}
BENCHMARK(membership_update);

}  // namespace

BENCHMARK_MAIN();
