// What the cpu probe reads, in four parts. Pure but for the files below the sysroot and the call table: no
// globals, no clock, no thread. Facts that have no source are said to be absent, denied or unsupported.
#pragma once

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/probe.hpp>

#include <functional>

namespace sigrun::cpu {

struct cpuid_regs {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// What is not a file. An empty function: this source does not exist here (a recorded tree, another
/// architecture).
struct machine_calls {
    std::function<std::optional<sdk::cpu_set>()> affinity;  // of the process
    std::function<cpuid_regs(std::uint32_t leaf, std::uint32_t subleaf)> cpuid;
    std::function<std::uint64_t()> xcr0;  // asked only if CPUID says OSXSAVE
};
machine_calls live_calls();

/// Instruction sets that the processor has and whose register state the operating system saves, by the names
/// of /proc/cpuinfo. Nothing if the call table has no CPUID.
std::optional<std::vector<std::string>> usable_features(const machine_calls& calls);
/// "x86-64-v3" from such names; empty if it is not even v1.
std::string isa_level(const std::vector<std::string>& features);

/// Intel's names end in the base frequency: "Intel(R) Xeon(R) CPU @ 2.20GHz".
std::optional<std::uint64_t> hz_of_model_name(std::string_view name);

void read_identity(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_layout(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run);
void read_limits(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);

/// All parts; limits first, because they matter most when time runs out.
inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    read_limits(root, calls, run.facts());
    if (!run.go_on()) return;
    read_identity(root, calls, run.facts());
    if (!run.go_on()) return;
    read_layout(root, calls, run);
}

}  // namespace sigrun::cpu
