// sigrun plugin check.
#pragma once

#include "kernel/app/sigrun/context.hpp"

namespace sigrun::cli {

void add_plugin_check_command(CLI::App& plugin_group, context& ctx);

}  // namespace sigrun::cli
