// The benchmark of this machine, again and again: how long it takes, and how much two runs differ. On a quiet machine every figure
// is within 10 %; where it is not quiet `noise` says so, and the facts do.
#include "kernel/capability/probe_host.hpp"
#include "kernel/log/log.hpp"
#include "machine.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <future>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace sigrun;

capability_ptr measure(bench::machine& one) {
    detect_options options;
    options.fresh = options.on_request = true;
    return one.detect(options);
}

void measured_machine(benchmark::State& state) {
    bench::machine one(true);
    measure(one);  // its process is there from now on
    std::vector<double> seconds;
    std::map<std::string, std::vector<double>> figures;
    double unanswered = 0;
    for (auto _ : state) {
        const auto begin = std::chrono::steady_clock::now();
        const auto found = measure(one);
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        for (const auto& f : found->facts())
            if (f.status == fact_status::ok && f.value.is_number())
                figures[f.key].push_back(f.value.to_number<double>());
            else if (f.status != fact_status::ok)
                ++unanswered;
    }
    std::sort(seconds.begin(), seconds.end());
    state.counters["p50_s"] = seconds[seconds.size() / 2];
    state.counters["max_s"] = seconds.back();
    state.counters["unanswered"] = unanswered / static_cast<double>(seconds.size());
    for (auto& [key, values] : figures) {
        std::sort(values.begin(), values.end());
        const double median = values[values.size() / 2];
        if (key.ends_with("_ratio"))
            state.counters["p50:" + key.substr(5)] = median;
        else if (key != "perf.budget_ms" && median > 0)
            // The middle half of all runs: what two of them usually differ by.
            state.counters["spread:" + key.substr(5)] =
                (values[values.size() * 3 / 4] - values[values.size() / 4]) / median;
    }
}

BENCHMARK(measured_machine)
    ->Name("mission_D14/measured_machine")
    ->UseRealTime()
    ->Iterations(9)
    ->Unit(benchmark::kSecond);

}  // namespace

int main(int argc, char** argv) {
    if (int code = run_as_probe_host(argc, argv); code >= 0) return code;
    set_log_level(log_level::error);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
