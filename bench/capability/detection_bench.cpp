// Finding out about this machine with the shipped probes: the first document of a program that has just started, with and
// without what was kept on disk, then warm refreshes past the cache and answers from it; with the isolated probes in processes
// of their own, and with everything in one process. With --drop_caches (root), also with the kernel's caches of files dropped.
#include "kernel/capability/probe_host.hpp"
#include "kernel/log/log.hpp"
#include "machine.hpp"

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>

namespace {

using namespace sigrun;

using bench::machine;

/// Every probe runs; how many facts came out.
std::size_t detect_afresh(machine& one) {
    detect_options options;
    options.fresh = true;
    return one.detect(options)->facts().size();
}

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

// Times of single runs. Set by hand: the end of a machine, which takes its plugins out again, is not what is measured.
class stopwatch {
public:
    explicit stopwatch(benchmark::State& state) : state_(state) {}
    template <class Measured>
    auto operator()(Measured measured) {
        const auto begin = std::chrono::steady_clock::now();
        auto out = measured();
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        state_.SetIterationTime(took.count() / 1e3);
        ms_.push_back(took.count());
        return out;
    }
    void tell() {
        std::sort(ms_.begin(), ms_.end());
        state_.counters["p50_ms"] = ms_[ms_.size() / 2];
        state_.counters["max_ms"] = ms_.back();
    }

private:
    benchmark::State& state_;
    std::vector<double> ms_;
};

void first(benchmark::State& state) {
    stopwatch timed(state);
    std::size_t facts = 0;
    for (auto _ : state) {
        machine one(state.range(0));
        facts = timed([&] { return detect_afresh(one); });
    }
    timed.tell();
    state.counters["facts"] = static_cast<double>(facts);
}

// What a runner tells when it starts, and how much it does not know by then, of everything that there is to know.
void first_in_time(benchmark::State& state) {
    detect_options in_time;
    in_time.patience = std::chrono::milliseconds(state.range(0));
    stopwatch timed(state);
    double unknown = 0, facts = 0;
    for (auto _ : state) {
        machine one(true);
        const auto told = timed([&] { return one.detect(in_time); });
        const auto all = one.detect({});
        facts += static_cast<double>(all->facts().size());
        for (const fact& f : all->facts()) {
            const fact* known = told->find(f.key);
            unknown += !known || (known->status == fact_status::timeout && f.status != fact_status::timeout);
        }
    }
    timed.tell();
    state.counters["facts"] = facts / static_cast<double>(state.iterations());
    state.counters["not_yet_known"] = unknown / static_cast<double>(state.iterations());
}

void warm(benchmark::State& state) {
    machine one(state.range(0));
    detect_afresh(one);
    std::vector<double> ms;
    for (auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(detect_afresh(one));
        ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(ms.begin(), ms.end());
    state.counters["p50_ms"] = ms[ms.size() / 2];
    state.counters["p99_ms"] = ms[std::min(ms.size() - 1, ms.size() * 99 / 100)];
    if (state.range(0)) state.counters["child_pss_MiB"] = child_mib();
}

// What a program that starts again can tell at once. Loading the plugins is not in it; reading the file is.
void from_disk(benchmark::State& state) {
    const auto file =
        (std::filesystem::temp_directory_path() / ("sigrun-bench-" + std::to_string(::getpid()))).string();
    {
        machine before(true);
        before.facts->keep_in(file);
        detect_afresh(before);
        while (!std::filesystem::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::size_t facts = 0;
    detect_options at_once;
    at_once.stale_will_do = true;
    stopwatch timed(state);
    for (auto _ : state) {
        machine one(true);
        facts = timed([&] {
            one.facts->keep_in(file);
            return one.detect(at_once)->facts().size();
        });
    }
    timed.tell();
    state.counters["facts"] = static_cast<double>(facts);
    state.counters["file_KiB"] = static_cast<double>(std::filesystem::file_size(file)) / 1024;
    std::filesystem::remove(file);
}

// Nothing is past its time: what a question costs that every probe has answered already.
void cached(benchmark::State& state) {
    machine one(true);
    detect_afresh(one);
    for (auto _ : state) benchmark::DoNotOptimize(one.detect({}));
}

// As after a start of the machine, but for the plugins, which are mapped.
void cold(benchmark::State& state) {
    machine one(true);
    detect_afresh(one);
    std::vector<double> ms;
    for (auto _ : state) {
        state.PauseTiming();
        ::sync();
        if (!(std::ofstream("/proc/sys/vm/drop_caches") << "3" << std::flush))
            return state.SkipWithError("the caches of files cannot be dropped here");
        state.ResumeTiming();
        const auto begin = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(detect_afresh(one));
        ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(ms.begin(), ms.end());
    state.counters["p50_ms"] = ms[ms.size() / 2];
    state.counters["max_ms"] = ms.back();
}

BENCHMARK(from_disk)
    ->Name("mission_D20/first_document/from_disk")
    ->UseManualTime()
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(cached)->Name("mission_D20/cached")->UseRealTime()->Iterations(1000)->Unit(benchmark::kMicrosecond);
BENCHMARK(first)
    ->Name("mission_D20/first_document/isolated")
    ->Arg(0)
    ->Arg(1)
    ->UseManualTime()
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(first_in_time)
    ->Name("mission_D20/first_document/patience_ms")
    ->Arg(0)
    ->Arg(5)
    ->Arg(10)
    ->Arg(20)
    ->Arg(50)
    ->Arg(100)
    ->UseManualTime()
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
    // It slows down whatever else the machine does: only who asks for it gets it.
    const auto last =
        std::remove_if(argv + 1, argv + argc, [](const char* a) { return std::string_view(a) == "--drop_caches"; });
    if (last != argv + argc)
        benchmark::RegisterBenchmark("mission_D20/caches_dropped", cold)
            ->UseRealTime()
            ->Iterations(20)
            ->Unit(benchmark::kMillisecond);
    argc = static_cast<int>(last - argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
