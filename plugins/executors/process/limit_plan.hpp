// Which of a job's limits are held here, and by what. Pure but for the number of the user's processes.
#pragma once

#include <sigrun/cpp/job_limits.hpp>
#include <sigrun/shim.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

/// How a limit is held.
enum class holder { none, cgroup_v2, cgroup_v1, rlimit, watch, engine };
std::string_view to_string(holder h) noexcept;

struct held_limit {
    std::string_view name;
    std::uint64_t value = 0;  // as in sdk::job_limits
    holder by = holder::none;
    std::string why;  // not the whole job, or not at all
};

/// What this process may do to its children.
struct limit_rights {
    bool exempt = false;           // the kernel does not count processes of this user (root)
    std::uint64_t user_tasks = 0;  // that it has now
    /// For the limits that no cgroup holds: why. By SIGRUN_SHIM_BY_*.
    std::function<std::string(std::uint32_t)> why_not;
};

struct limit_plan {
    sigrun_shim_limits shim{};
    std::vector<held_limit> limits;
    /// Not empty: the job says that it must not run like this.
    std::string refusal;
};

/// A job that says so is not run with less.
struct limits_refused {
    std::string message;
};

/// `held`: SIGRUN_SHIM_BY_* of the cgroups that were made.
limit_plan plan_limits(const sdk::job_limits& limits, std::uint32_t held, const limit_rights& rights);
/// The same of an attempt that an earlier executor started, from what its shim says.
std::vector<held_limit> held_limits(const sdk::job_limits& limits, std::uint32_t controllers);

/// {"memory":{"limit":536870912,"by":"cgroup_v2"}, ...}; empty when there are none.
std::string to_json(const std::vector<held_limit>& limits);
/// "512.0 MiB"
std::string size_text(std::uint64_t bytes);
/// Processes and threads of this user.
std::uint64_t count_own_tasks();

}  // namespace sigrun::process
