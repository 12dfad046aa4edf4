// Follows one job: its output to stdout and stderr, where it was placed, its end. Survives a daemon that
// restarts: the connection is opened again and the output goes on at the byte where it stopped.
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace sigrun::cli {

struct follow_options {
    bool until_end = true;             // false: what is there now
    bool output = true;                // write the job's output
    bool placement = true;             // tell on stderr where it runs and why, or why it waits
    bool cancel_on_interrupt = false;  // the first Ctrl-C cancels the job and waits, the second leaves
    std::uint64_t offset = 0;
    std::string since;  // as jobs.logs takes it; empty = from the beginning
    std::optional<std::uint64_t> last_lines;
    std::uint64_t attempt = 0;  // 0 = all
};

struct followed {
    std::string state;    // told by the last log frame
    bool placed = false;  // the line about the place was written
};
/// Returns when the output is complete. Throws failure (source::interrupt when the user left).
followed follow_job(context& ctx, const std::string& id, const follow_options& options);

/// "job 0199.. on build-1 over valkyrie: least loaded of 3"; empty while the job has no runner.
std::string placement_line(const json::object& job);

}  // namespace sigrun::cli
