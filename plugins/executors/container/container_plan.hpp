// What a job of kind "container" is to an engine. Pure.
#pragma once

#include "limit_plan.hpp"
#include "process_job.hpp"
#include "setting_plan.hpp"

#include <sigrun/cpp/job_container.hpp>

#include <boost/json.hpp>

#include <string>
#include <vector>

namespace sigrun::container {

/// Where a container sees its job's workspace.
inline constexpr std::string_view k_workspace = "/workspace";

struct container_rules {
    std::string network;  // of a job that does not ask for none: "bridge", "none", "host" or an engine's own name
    std::vector<std::string> writable;  // folders that jobs may ask for
};

struct container_plan {
    process::process_job job;
    sdk::job_container container;
    std::vector<process::held_limit> limits;
    std::vector<process::held_setting> held;

    /// What its output must not show.
    std::vector<std::string> secret_values() const;
    /// The body of POST /containers/create for a step.
    std::string create_body(std::size_t step, const container_rules& rules, const std::string& workspace,
                            const process::attempt_names& names) const;
};

/// Throws process::job_error for a wrong document, limits_refused and setting_refused for one that cannot be held here.
container_plan plan_container(std::string_view document, const container_rules& rules);

}  // namespace sigrun::container
