#include "cloud_probe.hpp"
#include "virt_probe.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_cloud_options[] = {
    option(
        "metadata", SIGRUN_OPT_BOOL,
        {.def = "yes", .doc = "Ask the metadata address, if firmware says that this is a machine of a known cloud."}),
    option("address", SIGRUN_OPT_STRING,
           {.def = "169.254.169.254:80", .doc = "The metadata address, as ADDRESS:PORT."}),
    option("timeout", SIGRUN_OPT_DURATION,
           {.def = "250ms", .doc = "How long all questions together may take.", .min = 10e6, .max = 500e6}),
};

class cloud_probe {
public:
    static constexpr std::string_view keys = "cloud.instance_type,cloud.region,cloud.zone,cloud.preemptible";
    // Not SIGRUN_PROBE_IN_PROCESS: it talks to somebody.
    static constexpr std::uint32_t flags = 0, soft_ms = 700, hard_ms = 2000;

    explicit cloud_probe(const sigrun::sdk::config_reader& config)
        : settings_{config.boolean("metadata"), sigrun::virt::metadata_address(std::string(config.text("address"))),
                    std::chrono::duration_cast<std::chrono::milliseconds>(config.duration("timeout"))} {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        auto settings = settings_;
        if (!root.live()) settings.address = {};
        sigrun::virt::collect_cloud(root, settings, run);
    }

private:
    sigrun::virt::cloud_settings settings_;
};

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
                  "Facts virt.* and cloud.provider from CPUID, DMI, procfs and marker files"),
              sigrun::sdk::component<sigrun::sdk::probe_component<cloud_probe>>(
                  "cloud", SIGRUN_KIND_PROBE, "Facts cloud.* that the provider's metadata address tells",
                  k_cloud_options))
