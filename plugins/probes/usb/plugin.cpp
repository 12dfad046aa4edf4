#include "usb_probe.hpp"

namespace {

struct usb_probe {
    static constexpr std::string_view keys = "usb,usb.count";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS | SIGRUN_PROBE_LIST, soft_ms = 250, hard_ms = 1000;
    static void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        sigrun::usb::collect(root, run.facts());
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.usb", "1.0.0", "USB devices", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<usb_probe>>("usb", SIGRUN_KIND_PROBE,
                                                                              "Facts usb and usb.count from sysfs"))
