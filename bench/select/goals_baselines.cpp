// Re-implementations of what others do, in the same run as our figures.
#include "bench/select/baselines.hpp"
#include "bench/select/goals.hpp"
#include "bench/select/timing.hpp"

#include <atomic>
#include <thread>

namespace sigrun::bench {
namespace {

template <typename Baseline>
double cycle_ns(std::uint32_t n, double seconds) {
    Baseline b(n);
    // The scan takes milliseconds at a million runners.
    std::vector<double> times;
    const auto begin = bench_clock::now();
    do {
        const auto start = bench_clock::now();
        for (int i = 0; i < 8; ++i) {
            const std::uint32_t taken = b.take();
            asm volatile("" : : "r"(taken) : "memory");  // or the compiler sees that a cycle leaves nothing changed
            b.give_back(taken);
        }
        times.push_back(ns_since(start) / 8);
    } while (ns_since(begin) < seconds * 1e9);
    return quantiles_of(std::move(times)).p50;
}

/// ns per cycle of each thread while all of them work.
double shared_cycle_ns(std::uint32_t n, unsigned threads, double seconds) {
    locked_load_tree tree(n);
    std::atomic<bool> go{false}, stop{false};
    std::vector<std::uint64_t> cycles(threads);
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            while (!go) std::this_thread::yield();
            std::uint64_t done = 0;
            for (; !stop.load(std::memory_order_relaxed); ++done) tree.give_back(tree.take());
            cycles[t] = done;
        });
    const auto begin = bench_clock::now();
    go = true;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
    const double took = ns_since(begin);
    std::uint64_t total = 0;
    for (unsigned t = 0; t < threads; ++t) {
        all[t].join();
        total += cycles[t];
    }
    return took * threads / static_cast<double>(total);
}

}  // namespace

void report_baselines(const goal_options& o) {
    auto each = [&](auto&& measure) {
        std::vector<double> out;
        for (const std::uint32_t n : o.runners) out.push_back(measure(n));
        return out;
    };
    report("re-implementation: scan and score every runner",
           each([&](auto n) { return cycle_ns<plain_scan>(n, o.seconds); }), {}, "ns");
    report("re-implementation: Envoy's EDF heap, no constraints",
           each([&](auto n) { return cycle_ns<deadline_heap>(n, o.seconds); }), {}, "ns");
    report("re-implementation: HAProxy's leastconn tree, no constraints",
           each([&](auto n) { return cycle_ns<load_tree>(n, o.seconds); }), {}, "ns");
    report("re-implementation: the tree with a mutex, 1 thread",
           each([&](auto n) { return shared_cycle_ns(n, 1, o.seconds); }), {}, "ns");
    report("re-implementation: the tree with a mutex, 2 threads, per thread",
           each([&](auto n) { return shared_cycle_ns(n, 2, o.seconds); }), {}, "ns");
}

}  // namespace sigrun::bench
