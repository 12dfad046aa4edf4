// What became of each step of an attempt, as the members `steps` of its states say it.
//
//   {"name":"test","state":"failed","exit_code":3,"signal":null,"started_at":"2026-01-05T10:00:00.000Z","wall_ms":1200}
//
// `state`: succeeded, failed, running, waiting (for the steps before it), skipped (the attempt ended before it).
#pragma once

#include "outcome.hpp"
#include "process_job.hpp"

#include <sigrun/shim.h>

#include <optional>
#include <string>
#include <vector>

namespace sigrun::process {

/// How far the attempt is.
struct step_progress {
    std::vector<sigrun_shim_stepped> ended;  // in their order
    std::optional<std::size_t> running;
    bool over = false;
};

/// A job that is one command without a name has none of this.
bool has_steps(const std::vector<step>& steps) noexcept;
/// JSON array. Pure, as the next.
std::string to_json(const std::vector<step>& steps, const step_progress& how);
/// The same outcome with them, when all is over.
outcome with_steps(outcome how, const std::vector<step>& steps, std::vector<sigrun_shim_stepped> ended);

}  // namespace sigrun::process
