// What a machine has left, as a job would find it.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace sigrun {

/// Missing: it could not be found out, and is not held against the machine.
struct machine_state {
    std::optional<std::uint64_t> disk_free, inodes_free;  // where workspaces are made
    std::optional<std::uint64_t> memory;                  // bytes that can be had, also within this process's cgroup
    std::optional<double> load;                           // of the last minute, per processor
};

/// What it must have; 0 of any: that does not matter.
struct machine_needs {
    std::uint64_t min_free_disk = 0, min_free_inodes = 0, min_free_memory = 0;
    double max_load = 0;
};

/// Reads it: may block on a disk that does. `root`: the machine's files lie below it; empty for this machine's own.
machine_state read_machine(const std::string& workspaces, const std::string& root = {});
/// What is missing, as a refusal. Pure.
std::optional<problem> what_is_missing(const machine_state& has, const machine_needs& needs,
                                       const std::string& workspaces);

}  // namespace sigrun
