#include "remote_mounts.hpp"
#include "storage_probe.hpp"

#include <memory>

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option(
        "work_path", SIGRUN_OPT_PATH,
        {.doc = "Folder that work.* describes; by default the runner's workspace_dir, elsewhere the current folder."}),
};

constexpr sigrun_opt k_remote_options[] = {
    option("timeout", SIGRUN_OPT_DURATION,
           {.def = "800ms", .doc = "How long a remote mount may take to answer.", .min = 10e6, .max = 800e6}),
};

class remote_probe {
public:
    static constexpr std::string_view keys = "fs";
    // Not SIGRUN_PROBE_IN_PROCESS: it starts processes, and one of them may hang in the kernel.
    static constexpr std::uint32_t flags = SIGRUN_PROBE_LIST, soft_ms = 1500, hard_ms = 3000;

    explicit remote_probe(const sigrun::sdk::config_reader& config)
        : timeout_(std::chrono::duration_cast<std::chrono::milliseconds>(config.duration("timeout"))),
          workers_(std::make_unique<sigrun::storage::remote_mounts>()) {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        if (!root.live())
            return run.facts().none(
                "fs", "unsupported",
                {.source = "/proc/self/mountinfo", .detail = "mounts of a recorded machine are not asked"});
        sigrun::storage::collect_remote(root, sigrun::storage::live_calls(), *workers_, timeout_, run);
    }

private:
    std::chrono::milliseconds timeout_;
    std::unique_ptr<sigrun::storage::remote_mounts> workers_;
};

struct storage_probe {
    static constexpr std::string_view keys =
        "block,fs,work.path,work.fs,work.available_bytes,work.quota_bytes,work.exec,work.tmpfs";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS | SIGRUN_PROBE_LIST, soft_ms = 250, hard_ms = 1000;

    explicit storage_probe(const sigrun::sdk::config_reader& config) : work_path(config.text_or("work_path", "")) {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) const {
        using namespace sigrun::storage;
        work_place place{work_path, "option work_path"};
        if (work_path.empty() && root.live()) place = sigrun::sdk::live_work_place();
        sigrun::storage::collect(root, root.live() ? live_calls() : machine_calls{}, place, run);
    }
    std::string work_path;
};

}  // namespace

SIGRUN_PLUGIN("sigrun.storage", "1.0.0", "Block devices, file systems and the folder that jobs work in", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<storage_probe>>(
                  "storage", SIGRUN_KIND_PROBE, "Facts block, fs and work.* from sysfs, mountinfo and statvfs",
                  k_options),
              sigrun::sdk::component<sigrun::sdk::probe_component<remote_probe>>(
                  "remote_mounts", SIGRUN_KIND_PROBE, "Fact fs with what remote mounts answer, each asked by a process",
                  k_remote_options))
