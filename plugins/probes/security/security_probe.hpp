// What the security probe reads, in parts. Pure but for the files below the sysroot and the call table: no globals, no
// clock, no thread.
#pragma once

#include "user_namespace_trial.hpp"

#include <sigrun/cpp/probe.hpp>
#include <sigrun/cpp/procfs.hpp>

#include <functional>

namespace sigrun::security {

/// Answer of the Landlock version call: a version, or an errno value.
struct landlock_answer {
    std::uint64_t version = 0;
    int error = 0;
};

/// What is not a file; an empty function does not exist here (a recorded tree, another architecture).
struct machine_calls {
    std::function<landlock_answer()> landlock;
    std::function<trial_outcome(std::chrono::milliseconds limit)> user_namespace;
};
machine_calls live_calls();

/// Names of the capabilities in a hexadecimal mask of /proc/self/status: "cap_chown"; "cap_63" for a bit without a name.
/// Nothing if it is no such mask.
std::optional<std::vector<std::string>> capability_names(std::string_view mask);

void read_process(const sdk::sysroot& root, sdk::fact_writer& facts);
void read_modules(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_firmware(const sdk::sysroot& root, sdk::fact_writer& facts);
void read_processor(const sdk::sysroot& root, sdk::fact_writer& facts);
void read_enclaves(const sdk::sysroot& root, sdk::fact_writer& facts);
void read_user_namespaces(const sdk::sysroot& root, sdk::fact_writer& facts);
/// sec.userns_works: one trial, in a child that has ended when this returns.
void try_user_namespaces(const machine_calls& calls, sdk::probe_run& run);

inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    read_process(root, run.facts());
    read_modules(root, calls, run.facts());
    read_user_namespaces(root, run.facts());
    if (!run.go_on()) return;
    read_processor(root, run.facts());
    read_enclaves(root, run.facts());
    if (!run.go_on()) return;
    read_firmware(root, run.facts());
}

/// The comma or blank separated names in a text, at most `limit`; nothing if there are more or one is not a plain word.
std::optional<std::vector<std::string>> name_list(std::string_view text, std::size_t limit);

/// A module parameter or switch: Y, N, 1 or 0.
std::optional<bool> switch_of(std::string_view text) noexcept;

}  // namespace sigrun::security
