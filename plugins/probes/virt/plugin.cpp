#include "virt_probe.hpp"

namespace {

struct virt_probe {
    static constexpr std::string_view keys = "virt.*,cloud.provider";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::virt::collect(root, root.live() ? sigrun::virt::live_calls() : sigrun::virt::machine_calls{}, run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.virt", "1.0.0", "Virtual machine, container, orchestrator and cloud around the process", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<virt_probe>>(
                  "virt", SIGRUN_KIND_PROBE,
                  "Facts virt.* and cloud.provider from CPUID, DMI, procfs and marker files"))
