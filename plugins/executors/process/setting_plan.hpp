// How a job's isolation is held here, and by what. Pure; what the machine can do is found out once.
#pragma once

#include "accounts.hpp"

#include <sigrun/cpp/job_setting.hpp>
#include <sigrun/shim.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

/// What this process can put on its children; each text is empty if it can, else why not.
struct isolation_means {
    std::string mounts, processes, network, ipc;  // name spaces
    std::string files;                            // Landlock
    std::string syscalls;                         // seccomp
    std::uint64_t landlock_abi = 0;               // 0: none

    /// Tries each in a child of this process. [work], some milliseconds.
    static isolation_means of_this_process();
    /// For this row of sdk::k_job_isolation.
    const std::string& why_not(std::string_view name) const;
};

struct held_setting {
    std::string name, value;
    std::string_view by;  // mount_namespace, landlock ...; none
    std::string why;      // not held
};

struct setting_plan {
    sigrun_shim_setting shim{};  // without the counts
    std::vector<std::uint32_t> groups;
    std::vector<std::uint64_t> filter;
    std::vector<std::string> writable;
    std::vector<held_setting> held;
    /// Not empty: the job says that it must not run like this.
    std::string refusal;

    bool any() const noexcept { return shim.what != 0; }
};

/// A job is not run apart from less than it asked for, or not as whom it asked for. `code` is the failure code.
struct setting_refused {
    std::string_view code;
    std::string message;
};

/// `allowed`: what a job may have writable besides its workspace, with all below it. Throws setting_refused for another path.
setting_plan plan_setting(const sdk::job_setting& wanted, const isolation_means& means,
                          const std::vector<std::string>& allowed);
/// As whom it runs.
void put_account(const account& who, const std::string& asked, setting_plan& plan);

/// {"network":{"value":"none","by":"network_namespace"}, ...}; empty when nothing was asked for.
std::string to_json(const std::vector<held_setting>& held);

}  // namespace sigrun::process
