// The options of every executor whose jobs belong to a shim.
#pragma once

#include <sigrun/cpp/plugin.hpp>

#include <array>

namespace sigrun::process {

inline constexpr sigrun_opt k_shim_options[] = {
    sdk::option("shim", SIGRUN_OPT_PATH,
                {.doc = "Path of sigrun-shim; by default the one beside the running program, else the one in PATH."}),
    sdk::option("path", SIGRUN_OPT_STRING, {.doc = "PATH that jobs start with; by default the runner's own."}),
    sdk::option("kill_grace", SIGRUN_OPT_DURATION,
                {.def = "10s",
                 .doc = "Time between TERM and KILL when the run timeout passed or orphan_grace is over.",
                 .min = 0,
                 .max = 3600e9}),
    sdk::option("output_drain", SIGRUN_OPT_DURATION,
                {.def = "2s",
                 .doc = "How long output is still read from pipes that stay open after the last process.",
                 .min = 0,
                 .max = 60e9}),
    sdk::option(
        "orphan_grace", SIGRUN_OPT_DURATION,
        {.def = "10m",
         .doc = "How long a job goes on while its runner is away, to be taken over when that comes back; 0s = it is "
                "ended at once.",
         .min = 0,
         .max = 24 * 3600e9}),
    sdk::option("spool_limit", SIGRUN_OPT_SIZE,
                {.def = "64MiB",
                 .doc = "Output of one job that is kept while no controller takes it; then the job waits in write().",
                 .min = 65536,
                 .max = 64.0 * 1024 * 1024 * 1024}),
    sdk::option(
        "cgroups", SIGRUN_OPT_CHOICE,
        {.def = "auto",
         .doc = "Whether each job gets a cgroup of its own where that can be made, so that none of its processes can "
                "escape a kill.",
         .choices = "auto,off"}),
    sdk::option(
        "users", SIGRUN_OPT_LIST,
        {.doc = "Users that jobs may ask to run as, by name or number; * = every one but root. By default none but the "
                "runner's own."}),
    sdk::option("groups", SIGRUN_OPT_LIST,
                {.doc = "Groups that jobs may ask for besides those of their user, by name or number."}),
    sdk::option("writable", SIGRUN_OPT_LIST,
                {.doc = "Folders that jobs with read-only files may ask to write to, with all below them."}),
};

/// Those and some more.
template <std::size_t N>
constexpr auto with_shim_options(const sigrun_opt (&more)[N]) noexcept {
    std::array<sigrun_opt, std::size(k_shim_options) + N> all{};
    std::size_t at = 0;
    for (const auto& each : k_shim_options) all[at++] = each;
    for (const auto& each : more) all[at++] = each;
    return all;
}

}  // namespace sigrun::process
