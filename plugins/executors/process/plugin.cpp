#include "process_executor.hpp"
#include "shim_options.hpp"

SIGRUN_PLUGIN("sigrun.process", "1.0.0", "Runs commands as processes", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::process::process_executor>(
                  "process", SIGRUN_KIND_EXECUTOR, "Runs commands, each in a process tree of its own",
                  sigrun::process::k_shim_options))
