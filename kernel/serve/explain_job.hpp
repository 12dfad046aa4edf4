// Why a job waits and what would make it run, or who chose its runner and why; for people and as JSON. Off the hot path.
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

/// Why a job waits, now; `known` if nothing better can be said.
std::string waiting_reason(controller& c, const job& j, const selector::explanation& e, const std::string& known);
/// The answer of jobs.explain.
json::object explain_job(controller& c, const job_ptr& j);

}  // namespace sigrun
