#include "network_probe.hpp"

namespace {

struct network_probe {
    // Not net.*: what only a controller can measure of the way to it is not known here.
    static constexpr std::string_view keys =
        "net.default_if,net.ipv4,net.ipv6,net.egress_ip,net.proxy,net.dns,net.fqdn,nic";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS | SIGRUN_PROBE_LIST, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::network::collect(root, root.live() ? sigrun::network::live_calls() : sigrun::network::machine_calls{},
                                 run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.network", "1.0.0", "Network interfaces, default routes and names", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<network_probe>>(
                  "network", SIGRUN_KIND_PROBE, "Facts net.* and nic from rtnetlink, ethtool and files"))
