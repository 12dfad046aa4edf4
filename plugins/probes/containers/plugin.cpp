#include "containers_probe.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option(
        "sockets", SIGRUN_OPT_LIST,
        {.doc = "More sockets of container engines, each as NAME=/PATH; NAME is docker, podman, containerd or cri-o."}),
    option("timeout", SIGRUN_OPT_DURATION,
           {.def = "700ms", .doc = "How long an engine may take to answer.", .min = 10e6, .max = 900e6}),
};

class containers_probe {
public:
    static constexpr std::string_view keys = "runtime";
    // Not SIGRUN_PROBE_IN_PROCESS: it talks to other programs.
    static constexpr std::uint32_t flags = SIGRUN_PROBE_LIST, soft_ms = 1000, hard_ms = 2000;

    containers_probe(const sigrun::sdk::host&, const sigrun::sdk::config_reader& config)
        : more_(config.list("sockets")),
          timeout_(std::chrono::duration_cast<std::chrono::milliseconds>(config.duration("timeout"))) {
        sigrun::containers::candidates({}, more_);  // a wrong one is refused now
    }
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        using namespace sigrun::containers;
        const auto where = candidates(root.live() ? live_calls() : machine_calls{}, more_);
        sigrun::containers::collect(root, where, timeout_, run);
    }

private:
    std::vector<std::string> more_;
    std::chrono::milliseconds timeout_;
};

}  // namespace

SIGRUN_PLUGIN("sigrun.containers", "1.0.0", "Container engines that can be used", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<containers_probe>>(
                  "containers", SIGRUN_KIND_PROBE, "Fact runtime, by asking at the engines' sockets", k_options))
