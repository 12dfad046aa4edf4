// Finding out about this machine with the shipped probes: the first document of a program that has just started, then warm
// refreshes past the cache; with the isolated probes in processes of their own, and with everything in one process.
#include "kernel/capability/detector.hpp"
#include "kernel/capability/probe_host.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/probe.h>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

namespace {

using namespace sigrun;

struct machine {
    metrics numbers;
    plugin_host host{{.plugin_dir = BENCH_PROBE_DIR, .state_dir = "", .program = "bench", .kinds = {SIGRUN_KIND_PROBE}},
                     settings::parse("", "bench").value(),
                     numbers};
    std::unique_ptr<detector> facts;

    explicit machine(bool isolated) {
        host.load_all().value();
        host.start_all().value();
        facts = std::make_unique<detector>(host, clock::system(), std::chrono::minutes(5),
                                           isolated ? "/proc/self/exe" : "");
    }
    ~machine() {
        facts.reset();
        host.shutdown();
    }
    std::size_t detect() {
        detect_options options;
        options.fresh = true;
        std::promise<capability_ptr> answer;
        facts->detect(options, [&](capability_ptr found) { answer.set_value(std::move(found)); });
        return answer.get_future().get()->facts().size();
    }
};

// The process of the isolated probe, whichever thread has started it. Shared pages count for their share.
double child_mib() {
    double most = 0;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream children(thread.path() / "children");
        for (std::string pid; children >> pid;) {
            std::ifstream memory("/proc/" + pid + "/smaps_rollup");
            for (std::string word; memory >> word;)
                if (double kib = 0; word == "Pss:" && memory >> kib) most = std::max(most, kib / 1024);
        }
    }
    return most;
}

void first(benchmark::State& state) {
    std::size_t facts = 0;
    for (auto _ : state) {
        state.PauseTiming();
        machine one(state.range(0));
        state.ResumeTiming();
        facts = one.detect();
        state.PauseTiming();
        // Its end is not what is measured.
        one.facts.reset();
        state.ResumeTiming();
    }
    state.counters["facts"] = static_cast<double>(facts);
}

void warm(benchmark::State& state) {
    machine one(state.range(0));
    one.detect();
    std::vector<double> ms;
    for (auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(one.detect());
        ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(ms.begin(), ms.end());
    state.counters["p50_ms"] = ms[ms.size() / 2];
    state.counters["p99_ms"] = ms[std::min(ms.size() - 1, ms.size() * 99 / 100)];
    if (state.range(0)) state.counters["child_pss_MiB"] = child_mib();
}

BENCHMARK(first)
    ->Name("mission_D20/first_document/isolated")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(warm)
    ->Name("mission_D20/warm_refresh/isolated")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Iterations(300)
    ->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
    if (int code = run_as_probe_host(argc, argv); code >= 0) return code;
    set_log_level(log_level::error);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
