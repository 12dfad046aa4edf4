// The end of a job, for commands that wait for it.
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <string>

namespace sigrun::cli {

/// The job after its output has ended; its state is recorded at the same time, so a second look is rarely needed. Throws failure.
json::object final_job(context& ctx, const std::string& id);
/// "job 0199.. failed (user): exit code 3" on stderr; nothing of one that succeeded.
void tell_end(context& ctx, const json::object& job);

}  // namespace sigrun::cli
