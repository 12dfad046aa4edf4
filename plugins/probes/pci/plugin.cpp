#include "pci_probe.hpp"

namespace {

struct pci_probe {
    static constexpr std::string_view keys = "pci,pci.*";
    // Not SIGRUN_PROBE_IN_PROCESS: libpci ends the process on errors (pciutils/pciutils#187).
    static constexpr std::uint32_t flags = SIGRUN_PROBE_LIST, soft_ms = 100, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::pci::collect(root, run.facts());
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.pci", "1.0.0", "Devices on the PCI buses, by libpci", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<pci_probe>>("pci", SIGRUN_KIND_PROBE,
                                                                              "Facts pci and pci.count"))
