#include "local_probe.hpp"

#include <ctime>

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option("folder", SIGRUN_OPT_PATH,
           {.def = "/etc/sigrun/facts.d", .doc = "Folder of the files: *.ini and *.json, at most 64 KiB each."}),
};

class local_probe {
public:
    // Every group: an operator may know better. As key_patterns() makes it; a test compares.
    static constexpr std::string_view keys =
        "custom.*,host.*,os.*,kernel.*,cpu.*,memory.*,numa.*,cgroup.*,virt.*,cloud.*,gpu,gpu.*,pci,pci.*,usb,usb.*,"
        "block,block.*,"
        "fs,fs.*,work.*,net.*,nic,nic.*,rdma,rdma.*,sec.*,runtime,runtime.*,lang,lang.*,tool,tool.*,pkg.*,perf.*,proto,"
        "proto.*,"
        "runner.*,tier.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;

    local_probe(const sigrun::sdk::host& host, const sigrun::sdk::config_reader& config)
        : facts_(config.text("folder"), [host](const std::string& why) {
              host.log(SIGRUN_LOG_WARNING, "declared facts are not used: ", why);
          }) {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        facts_.collect(root, static_cast<std::int64_t>(std::time(nullptr)), run);
    }

private:
    sigrun::local::declared_facts facts_;
};

}  // namespace

SIGRUN_PLUGIN("sigrun.local", "1.0.0", "Facts that the operator declares", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<local_probe>>(
                  "local", SIGRUN_KIND_PROBE, "Facts custom.*, and any other that is known better, from files",
                  k_options))
