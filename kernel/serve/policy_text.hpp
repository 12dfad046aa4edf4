// Who picks for the jobs of a requirement where a balancer chooses among the others, and why.
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

/// `chosen_by` names the balancer that chooses; null if the job's own picks itself.
json::value policy_json(const controller& c, const job_spec& spec);
/// The same as a sentence; empty for null.
std::string policy_text(const json::value& policy);

}  // namespace sigrun
