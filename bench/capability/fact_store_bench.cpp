// The facts of a fleet as a controller keeps them: bytes per runner (malloc and resident), and what it costs to take a whole
// document, a change, and to look something up.
#include "kernel/capability/fact_sheet.hpp"
#include "tests/fixtures/documents/many_machines.hpp"

#include <benchmark/benchmark.h>

#include <malloc.h>

#include <fstream>

namespace {

using namespace sigrun;

const test::many_machines& machines() {
    static const test::many_machines all(SIGRUN_SOURCE_DIR);
    return all;
}

double resident() {
    ::malloc_trim(0);
    std::ifstream statm("/proc/self/statm");
    double pages = 0, held = 0;
    statm >> pages >> held;
    return held * 4096;
}

/// range(0) runners of range(1) classes; as many classes as runners: nothing is shared.
void mission_N7_fleet(benchmark::State& state) {
    const auto n = static_cast<std::uint64_t>(state.range(0)), classes = static_cast<std::uint64_t>(state.range(1));
    for (auto _ : state) {
        const double resident_before = resident(), heap_before = static_cast<double>(::mallinfo2().uordblks);
        std::vector<sheet_ptr> sheets;
        std::size_t own = 0;
        for (std::uint64_t i = 0; i < n; ++i) {
            sheets.push_back(fact_sheet::of(capability_document(machines().facts(i, classes))));
            own += sheets.back()->own_bytes();
        }
        const auto shared = stored_facts();
        const auto runners = static_cast<double>(n);
        state.counters["resident_per_runner"] = (resident() - resident_before) / runners;
        state.counters["malloc_per_runner"] = (static_cast<double>(::mallinfo2().uordblks) - heap_before) / runners;
        state.counters["own_per_runner"] = static_cast<double>(own) / runners;
        state.counters["per_record"] =
            static_cast<double>(shared.bytes) / static_cast<double>(shared.records + shared.kinds);
        state.counters["facts"] = static_cast<double>(machines().size());
    }
}
BENCHMARK(mission_N7_fleet)
    ->Args({10'000, 1})
    ->Args({10'000, 40})
    ->Args({10'000, 10'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void whole_document(benchmark::State& state) {
    const capability_document doc(machines().facts(1, 40));
    const auto first = fact_sheet::of(doc);
    for (auto _ : state) benchmark::DoNotOptimize(fact_sheet::of(doc));
}
BENCHMARK(whole_document)->Unit(benchmark::kMicrosecond);

void change_of_fast_facts(benchmark::State& state) {
    const auto sheet = fact_sheet::of(capability_document(machines().facts(1, 40)));
    std::vector<fact> news;
    for (const auto& f : machines().facts(2, 40))
        if (f.volatility == fact_volatility::fast) news.push_back(f);
    for (auto _ : state) benchmark::DoNotOptimize(sheet->with(news));
}
BENCHMARK(change_of_fast_facts)->Unit(benchmark::kMicrosecond);

void lookup(benchmark::State& state) {
    const auto sheet = fact_sheet::of(capability_document(machines().facts(1, 40)));
    const char* keys[] = {"host.arch", "os.arch", "memory.available_bytes", "cpu.features", "no.such.key"};
    std::size_t i = 0;
    for (auto _ : state) benchmark::DoNotOptimize(sheet->find(keys[i++ % std::size(keys)]));
}
BENCHMARK(lookup);

}  // namespace

BENCHMARK_MAIN();
