// Who chose the runner of each attempt and why, and who could be chosen now.
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

/// The name of the runner in that slot; empty if there is none any more.
std::string runner_at(const controller& c, slot_ref slot);
/// The attempts of a job, with how their runners do now. Takes its lock.
json::array attempts_json(controller& c, const job_ptr& j);
/// A sentence for each, made from that.
std::vector<std::string> attempt_texts(const json::array& attempts);
/// Who could be chosen now: {"runner", "tier", "in_flight", "places", "cost"}.
json::array candidates_json(controller& c, const selector::explanation& e);

}  // namespace sigrun
