#include "process_executor.hpp"
#include "sandboxed_jobs.hpp"
#include "shim_options.hpp"

namespace {

using sigrun::sdk::option;

class sandbox_executor : public sigrun::process::process_executor {
public:
    sandbox_executor(sigrun::sdk::host host, const sigrun::sdk::config_reader& config)
        : process_executor(host, config,
                           std::make_unique<sigrun::sandbox::sandboxed_jobs>(sigrun::sandbox::sandbox_rules{
                               config.text_or("bwrap", ""), config.list("hide"), config.list("writable")})) {}
};

constexpr sigrun_opt k_own[] = {
    option("bwrap", SIGRUN_OPT_PATH, {.doc = "Path of bubblewrap; by default the one in PATH."}),
    option(
        "hide", SIGRUN_OPT_LIST,
        {.def = "/root,/home,/run,/var/lib/sigrun,/var/lib/sigrun-runner",
         .doc =
             "Folders that are empty inside, besides /tmp, /var/tmp and those of other jobs. A socket can be talked to "
             "although its folder is read-only, so those of the machine's services belong here; so do state "
             "directories "
             "with the key of a runner or the database of a daemon."}),
};
constexpr auto k_options = sigrun::process::with_shim_options(k_own);

}  // namespace

SIGRUN_PLUGIN("sigrun.sandbox", "1.0.0", "Runs commands in bubblewrap", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sandbox_executor>("sandbox", SIGRUN_KIND_EXECUTOR,
                                                       "Runs commands, each in a sandbox of its own", k_options))
