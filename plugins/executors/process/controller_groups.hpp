// cgroups with controllers for attempts that have limits of memory, processes or processor time. [any]
//
// v1: one below this process's own group in each hierarchy. v2: a group whose children have controllers must hold no process
// itself, so the runner has to be in a group named "agent" below the one that it was given (DelegateSubgroup=agent in its unit),
// or at the very top. Each is made for one attempt and removed after it: counters begin at zero.
#pragma once

#include "group_pool.hpp"

#include <sigrun/cpp/job_limits.hpp>
#include <sigrun/shim.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sigrun::process {

/// Of one attempt; removed with this object unless somebody is in them still.
struct attempt_controllers {
    std::uint32_t held = 0;        // SIGRUN_SHIM_BY_*
    std::array<job_cgroup, 3> v1;  // memory, pids, cpu, those that it has
    job_cgroup v2;                 // one for all

    attempt_controllers() = default;
    attempt_controllers(attempt_controllers&&) = default;
    attempt_controllers& operator=(attempt_controllers&&) = default;
    ~attempt_controllers();
};

class controller_groups {
public:
    /// `root` is what the machine's files lie below, empty for the real one.
    explicit controller_groups(bool wanted, std::string root = {});

    /// Those of its limits that can be held are; `held` says which. `name` is unique among attempts.
    attempt_controllers take(const sdk::job_limits& limits, std::string_view name) const;
    /// Removes what attempts of other processes left and nobody is in.
    void sweep() const noexcept;

    /// Why this limit cannot be held; empty if it can. BY_MEMORY, BY_PIDS or BY_CPUS.
    std::string why_not(std::uint32_t which) const;
    /// 1 or 2, 0 where no limit can be held.
    int version() const noexcept { return version_; }

private:
    struct place {
        std::string folder;  // on the real file system; empty: none
        std::string why_not;
    };
    void find(bool wanted);
    void look_for_v2(const std::string& own);
    bool hold(const job_cgroup& in, std::uint32_t which, const sdk::job_limits& limits) const;

    std::string root_;
    int version_ = 0;
    std::array<place, 3> places_;  // memory, pids, cpu
};

}  // namespace sigrun::process
