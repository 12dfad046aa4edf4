#include "topology_probe.hpp"

namespace {

struct topology_probe {
    static constexpr std::string_view keys = "numa.*,cpu.sockets,cpu.cores,cpu.l3_domains";
    // Not SIGRUN_PROBE_IN_PROCESS: hwloc is a foreign library (18 s on 128 cores: charmplusplus/charm#2580).
    static constexpr std::uint32_t flags = 0, soft_ms = 500, hard_ms = 2000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::topology::collect(root, run.facts());
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.topology", "1.0.0", "Sockets, cores, shared caches and NUMA nodes, by hwloc", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<topology_probe>>(
                  "topology", SIGRUN_KIND_PROBE, "Facts numa.*, cpu.sockets, cpu.cores and cpu.l3_domains"))
