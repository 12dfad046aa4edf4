// What it costs to call into a plugin: through the table of a plugin that was loaded the way the daemon loads it, and the
// same work as a plain function of this program that the compiler may not inline. The difference is the ABI's price.
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/probe.h>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iostream>

namespace {

using namespace sigrun;

std::uint64_t calls;

[[gnu::noinline]] void direct(sigrun_instance* instance, sigrun_op op) {
    benchmark::DoNotOptimize(instance);
    calls += op;
}

struct loaded {
    metrics numbers;
    plugin_host host{{.plugin_dir = BENCH_PLUGIN_DIR, .state_dir = "", .program = "bench"}, settings{}, numbers};
    std::shared_ptr<instance> probe;

    loaded() {
        host.load_all().value();
        host.start_all().value();
        probe = host.find(SIGRUN_KIND_PROBE, "noop");
        if (!probe) {
            std::cerr << "the plugin " << BENCH_PLUGIN_DIR << "/noop_plugin.so was not loaded\n";
            std::exit(1);
        }
    }
    ~loaded() {
        probe.reset();
        host.shutdown();
    }
};

loaded& plugin() {
    static loaded one;
    return one;
}

void plain_function(benchmark::State& state) {
    auto* abi = plugin().probe->abi();
    for (auto _ : state) direct(abi, 1);
    benchmark::DoNotOptimize(calls);
}

// The table is at hand, as for pick, execute or send.
void through_the_table(benchmark::State& state) {
    const auto& probe = *plugin().probe;
    const auto* table = probe.table<sigrun_probe>(SIGRUN_KIND_PROBE);
    for (auto _ : state) {
        benchmark::DoNotOptimize(table);
        table->cancel(probe.abi(), 1);
    }
}

// The table is asked for by its id at each call.
void by_interface_id(benchmark::State& state) {
    const auto& probe = *plugin().probe;
    for (auto _ : state) probe.table<sigrun_probe>(SIGRUN_KIND_PROBE)->cancel(probe.abi(), 1);
}

BENCHMARK(plain_function);
BENCHMARK(through_the_table);
BENCHMARK(by_interface_id);

}  // namespace

BENCHMARK_MAIN();
