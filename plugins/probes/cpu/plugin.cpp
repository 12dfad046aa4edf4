#include "cpu_probe.hpp"

namespace {

struct cpu_probe {
    static constexpr std::string_view keys = "cpu.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::cpu::collect(root, root.live() ? sigrun::cpu::live_calls() : sigrun::cpu::machine_calls{}, run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.cpu", "1.0.0", "Processor model, instruction sets, caches, and how much of it may be used", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<cpu_probe>>(
                  "cpu", SIGRUN_KIND_PROBE, "Facts cpu.* from procfs, sysfs, cgroups, CPUID and the affinity mask"))
