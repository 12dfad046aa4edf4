#include "gpu_probe.hpp"

namespace {

struct gpu_probe {
    static constexpr std::string_view keys = "gpu,gpu.*";
    // Not SIGRUN_PROBE_IN_PROCESS: a driver may hang in the kernel (NVIDIA/go-nvml#152), and takes seconds to wake.
    static constexpr std::uint32_t flags = SIGRUN_PROBE_LIST, soft_ms = 2000, hard_ms = 15'000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::gpu::collect(root, std::string(root.live() ? sigrun::gpu::k_nvml : ""), run.facts());
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.gpu", "1.0.0", "Graphics and compute cards", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<gpu_probe>>("gpu", SIGRUN_KIND_PROBE,
                                                                              "Facts gpu, gpu.count and gpu.vendors"))
