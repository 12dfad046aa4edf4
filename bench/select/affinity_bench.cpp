// Picks by affinity key through the whole path (selector, C ABI, claim, release): a key whose ranking the thread
// remembers, and one that is ranked anew each time.
#include "bench/select/fleet.hpp"

#include <benchmark/benchmark.h>

#include <map>

namespace {

using namespace sigrun;

struct keyed_fleet {
    std::unique_ptr<selector> index;
    explicit keyed_fleet(std::uint32_t n) {
        selector::options o;
        o.max_runners = n;
        o.default_balancer = "affinity";
        index = selector::create(o, {bench::plugin_balancer("affinity")}).value();
        std::vector<sheet_ptr> documents;
        for (int kind = 0; kind < 40; ++kind) documents.push_back(bench::document(kind));
        for (std::uint32_t i = 0; i < n; ++i) {
            runner_profile p;
            p.facts = documents[i % 40];
            p.protocols = 1;
            p.places = static_cast<std::uint16_t>(1 << i % 4);
            p.identity = (i + 1) * 0x9e3779b97f4a7c15u;
            index->set_open(index->add(p).value(), true);
        }
    }
};

void keyed(benchmark::State& state, std::uint64_t keys) {
    static std::map<std::int64_t, std::unique_ptr<keyed_fleet>> fleets;
    auto& f = fleets[state.range(0)];
    if (!f) f = std::make_unique<keyed_fleet>(static_cast<std::uint32_t>(state.range(0)));
    const auto p = f->index->intern(requirement::compile("host.arch == \"x86_64\"").value());
    pick_request q;
    q.pred = p.get();
    std::uint64_t i = 0;
    for (auto _ : state) {
        q.affinity_key = 1 + i++ % keys;
        const pick_result got = f->index->pick(q);
        if (got.explain.reason != SIGRUN_WHY_AFFINITY) state.SkipWithError("not by its key");
        f->index->release(got.slot);
    }
    state.SetItemsProcessed(state.iterations());
}
void affinity_known_key(benchmark::State& state) { keyed(state, 1000); }
void affinity_new_key(benchmark::State& state) { keyed(state, 1ull << 60); }
BENCHMARK(affinity_known_key)->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(affinity_new_key)->Arg(1000)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
