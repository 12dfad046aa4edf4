// sigrun job artifacts|download
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <functional>
#include <string>

namespace sigrun::cli {

/// `group` is the command `job`; `full_id` makes an id of what the user has given.
void add_artifact_commands(CLI::App& group, context& ctx, std::function<std::string(const std::string&)> full_id);

}  // namespace sigrun::cli
