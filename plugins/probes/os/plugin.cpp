#include "os_probe.hpp"

namespace {

struct os_probe {
    static constexpr std::string_view keys = "host.*,os.*,kernel.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::os::collect(root, root.live() ? sigrun::os::live_calls() : sigrun::os::machine_calls{}, run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.os", "1.0.0", "Host, operating system and kernel", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<os_probe>>(
                  "os", SIGRUN_KIND_PROBE, "Facts host.*, os.* and kernel.* from files, uname and the C library"))
