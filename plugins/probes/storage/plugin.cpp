#include "storage_probe.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option(
        "work_path", SIGRUN_OPT_PATH,
        {.doc = "Folder that work.* describes; by default the runner's workspace_dir, elsewhere the current folder."}),
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
                  k_options))
