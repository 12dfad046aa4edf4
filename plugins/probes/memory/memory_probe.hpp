// What the memory probe reads: amounts, the limits of all ancestor cgroups, the modules if firmware tells.
// Pure but for the files below the sysroot and the call table.
#pragma once

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/probe.hpp>

#include <functional>

namespace sigrun::memory {

/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<std::uint64_t()> page_size;
    std::function<bool(const std::string& path)> writable;  // may this process write there?
};
machine_calls live_calls();

void read_amounts(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_groups(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_modules(const sdk::sysroot& root, sdk::fact_writer& facts);

inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    read_amounts(root, calls, run.facts());
    if (!run.go_on()) return;
    read_groups(root, calls, run.facts());
    if (!run.go_on()) return;
    read_modules(root, run.facts());
}

}  // namespace sigrun::memory
