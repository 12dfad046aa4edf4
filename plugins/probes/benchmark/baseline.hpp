// The machine that perf.single_int, perf.single_fp and perf.all_int are relative to, as measured with this suite. README.md says
// which one it is and how it was measured. Other work, other flags or another baseline is another suite: k_suite changes.
#pragma once

namespace sigrun::benchmark {

constexpr const char* k_suite = "1";
// Calls of integer_work and float_work per second on one of its processors.
constexpr double k_baseline_integer = 28'500;
constexpr double k_baseline_float = 101'000;

}  // namespace sigrun::benchmark
