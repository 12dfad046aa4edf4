#include "memory_probe.hpp"

namespace {

struct memory_probe {
    static constexpr std::string_view keys = "memory.*,cgroup.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::memory::collect(root, root.live() ? sigrun::memory::live_calls() : sigrun::memory::machine_calls{},
                                run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.memory", "1.0.0", "Memory, swap, huge pages, cgroup limits and pressure", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<memory_probe>>(
                  "memory", SIGRUN_KIND_PROBE, "Facts memory.* and cgroup.* from procfs, sysfs, cgroups and SMBIOS"))
