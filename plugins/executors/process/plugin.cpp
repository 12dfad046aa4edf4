#include "process_executor.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option("shim", SIGRUN_OPT_PATH,
           {.doc = "Path of sigrun-shim; by default the one beside the running program, else the one in PATH."}),
    option("path", SIGRUN_OPT_STRING, {.doc = "PATH that jobs start with; by default the runner's own."}),
    option("kill_grace", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "Time between TERM and KILL when the run timeout passed or orphan_grace is over.",
            .min = 0,
            .max = 3600e9}),
    option("output_drain", SIGRUN_OPT_DURATION,
           {.def = "2s",
            .doc = "How long output is still read from pipes that stay open after the last process.",
            .min = 0,
            .max = 60e9}),
    option("orphan_grace", SIGRUN_OPT_DURATION,
           {.def = "10m",
            .doc = "How long a job goes on while its runner is away, to be taken over when that comes back; 0s = it is "
                   "ended at once.",
            .min = 0,
            .max = 24 * 3600e9}),
    option("spool_limit", SIGRUN_OPT_SIZE,
           {.def = "64MiB",
            .doc = "Output of one job that is kept while no controller takes it; then the job waits in write().",
            .min = 65536,
            .max = 64.0 * 1024 * 1024 * 1024}),
    option(
        "cgroups", SIGRUN_OPT_CHOICE,
        {.def = "auto",
         .doc = "Whether each job gets a cgroup of its own where that can be made, so that none of its processes can "
                "escape a kill.",
         .choices = "auto,off"}),
};

}  // namespace

SIGRUN_PLUGIN("sigrun.process", "1.0.0", "Runs commands as processes", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::process::process_executor>(
                  "process", SIGRUN_KIND_EXECUTOR, "Runs commands, each in a process tree of its own", k_options))
