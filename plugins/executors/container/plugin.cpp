#include "container_executor.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option("sockets", SIGRUN_OPT_LIST,
           {.doc = "Sockets of engines with Docker's API, the first that answers is used; by default those of podman "
                   "and docker."}),
    option("network", SIGRUN_OPT_STRING,
           {.def = "bridge",
            .doc = "Network of containers whose job does not ask for none: bridge, none, host, or a name that the "
                   "engine knows."}),
    option("writable", SIGRUN_OPT_LIST, {.doc = "Folders of the machine that jobs may ask for, with all below them."}),
    option("kill_grace", SIGRUN_OPT_DURATION,
           {.def = "10s", .doc = "Time between TERM and KILL when the run timeout passed.", .min = 0, .max = 3600e9}),
};

}  // namespace

SIGRUN_PLUGIN("sigrun.container", "1.0.0", "Runs commands in containers", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::container::container_executor>(
                  "container", SIGRUN_KIND_EXECUTOR, "Runs commands in containers of podman or docker", k_options))
