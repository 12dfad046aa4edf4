// The waiting queue: a job comes and the job whose turn it is goes, while 100,000 wait, in up to 4,000 lanes (distinct
// requirements) of up to 1,000 tenants.
#include "bench/select/fleet.hpp"
#include "kernel/job/runner_place.hpp"

#include <benchmark/benchmark.h>

#include <random>

namespace {

using namespace sigrun;

struct item : waiter {};

/// 1,000 runners of 40 kinds in two zones; lane i asks for something that all of them have, or that one in 80 has.
struct setting {
    bench::fleet runners{1'000};
    std::vector<predicate_ptr> lanes;
    std::vector<account_ptr> tenants;
    wait_accounts accounts;
    wait_queue queue;
    std::uint64_t seq = 0;
    std::mt19937_64 random{7};

    setting(int n_lanes, int n_tenants, bool rare) {
        for (int i = 0; i < n_lanes; ++i) {
            // Not of one kind: each lane has a requirement of its own.
            std::string text = "memory.effective_bytes >= " + std::to_string((1 << 20) + i);
            if (rare && i) text += " && host.arch == \"sparc\"";
            lanes.push_back(runners.index->intern(requirement::compile(text).value()));
        }
        for (int i = 0; i < n_tenants; ++i) tenants.push_back(accounts.find("tenant-" + std::to_string(i)));
    }
    void push(std::shared_ptr<item> w, std::size_t lane) {
        wait_terms t;
        t.pred = lanes[lane];
        t.tenant = tenants[random() % tenants.size()];
        t.band = static_cast<std::uint8_t>(1 + random() % 4);
        t.seq = ++seq;
        queue.push(std::move(w), std::move(t));
    }
    waiter_ptr pop(std::size_t runner) {
        const auto slot = runners.slots[runner % runners.slots.size()];
        const runner_place place(*runners.index, slot, runners.index->open_protocols(slot));
        return queue.pop(place, time_point{});
    }
};

/// Arguments: jobs, lanes, tenants; whether every runner serves all lanes or only the first.
void pop_and_push(benchmark::State& state) {
    const bool rare = state.range(3) != 0;
    setting s(static_cast<int>(state.range(1)), static_cast<int>(state.range(2)), rare);
    const auto lanes = s.lanes.size();
    for (std::int64_t i = 0; i < state.range(0); ++i)
        s.push(std::make_shared<item>(), static_cast<std::size_t>(i) % lanes);
    std::size_t runner = 0;
    for (auto _ : state) {
        auto w = s.pop(runner++);
        if (!w) {
            state.SkipWithError("nothing to pop");
            break;
        }
        s.push(std::static_pointer_cast<item>(std::move(w)), rare ? 0 : s.random() % lanes);
    }
}
BENCHMARK(pop_and_push)
    ->ArgNames({"jobs", "lanes", "tenants", "rare"})
    ->Args({1, 1, 1, 0})
    ->Args({100'000, 1, 1, 0})
    ->Args({100'000, 4'000, 1, 0})
    ->Args({100'000, 4'000, 100, 0})
    ->Args({100'000, 4'000, 1'000, 0})
    ->Args({100'000, 4'000, 1, 1})
    ->Args({100'000, 4'000, 1'000, 1});

/// One runner in the fleet changes its answers before each pop: its lanes are judged again.
void pop_after_a_change(benchmark::State& state) {
    setting s(static_cast<int>(state.range(0)), 100, false);
    for (int i = 0; i < 100'000; ++i) s.push(std::make_shared<item>(), static_cast<std::size_t>(i) % s.lanes.size());
    struct changing final : free_place {
        const runner_place& place;
        std::uint64_t answers;
        changing(const runner_place& p, std::uint64_t a) : place(p), answers(a) {}
        selector::group_ref group() const override { return {place.group().number, answers}; }
        bool open_over(protocol_mask allowed) const override { return place.open_over(allowed); }
        bool group_may_match(const predicate& p) const override { return place.group_may_match(p); }
        bool matches(const predicate& p) const override { return place.matches(p); }
        bool is_one_of(const std::vector<std::uint32_t>& slots) const override { return place.is_one_of(slots); }
    };
    std::uint64_t answers = 1'000'000;
    for (auto _ : state) {
        const auto slot = s.runners.slots[0];
        const runner_place place(*s.runners.index, slot, s.runners.index->open_protocols(slot));
        auto w = s.queue.pop(changing(place, ++answers), time_point{});
        s.push(std::static_pointer_cast<item>(std::move(w)), s.random() % s.lanes.size());
    }
}
BENCHMARK(pop_after_a_change)->ArgNames({"lanes"})->Arg(100)->Arg(4'000);

}  // namespace

BENCHMARK_MAIN();
