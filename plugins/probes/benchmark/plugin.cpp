#include "suite.hpp"

#include <sigrun/cpp/work_place.hpp>

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option(
        "work_path", SIGRUN_OPT_PATH,
        {.doc = "Folder whose disk is measured; by default the runner's workspace_dir, elsewhere the current folder."}),
};

class benchmark_probe {
public:
    static constexpr std::string_view keys = "perf.*";
    // Not SIGRUN_PROBE_IN_PROCESS: it uses all processors and much memory, writes a file and starts programs.
    static constexpr std::uint32_t flags = SIGRUN_PROBE_ON_REQUEST;
    static constexpr auto hard_ms = static_cast<std::uint32_t>(sigrun::benchmark::k_budget.count());
    static constexpr std::uint32_t soft_ms = hard_ms - 150;

    explicit benchmark_probe(const sigrun::sdk::config_reader& config) : work_path_(config.text_or("work_path", "")) {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) const {
        if (!root.live())
            return run.facts().none("perf.suite", "unsupported",
                                    {.source = "sigrun.benchmark", .detail = "a recorded machine cannot be measured"});
        const auto path = work_path_.empty() ? sigrun::sdk::live_work_place().path : work_path_;
        sigrun::benchmark::measure(root, path.empty() ? "/" : path, {}, run);
    }

private:
    std::string work_path_;
};

}  // namespace

SIGRUN_PLUGIN("sigrun.benchmark", "1.0.0", "How fast processors, memory and disk are", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<benchmark_probe>>(
                  "benchmark", SIGRUN_KIND_PROBE, "Facts perf.*: measured within three seconds, when asked for",
                  k_options))
