#include "rdma_probe.hpp"

namespace {

struct rdma_probe {
    static constexpr std::string_view keys = "rdma";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS | SIGRUN_PROBE_LIST, soft_ms = 150, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::rdma::collect(root, run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.rdma", "1.0.0", "Ports of RDMA devices", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<rdma_probe>>("rdma", SIGRUN_KIND_PROBE,
                                                                               "Fact rdma from sysfs"))
