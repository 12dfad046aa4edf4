// The gate before an offer is accepted: a runner that cannot work says so instead of failing the job.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun {

/// Makes the attempt's directory below `root` and checks the free space there. The problem's code becomes the refusal.
result<std::string> prepare_workspace(const std::string& root, const std::string& name, std::uint64_t min_free);
/// Removes it with everything in it; what cannot be removed is logged.
void remove_workspace(const std::string& path);
/// Directories that an earlier process left below `root`, but for these that are in use: removed, and counted.
std::size_t remove_leftover_workspaces(const std::string& root, const std::vector<std::string>& but = {});

}  // namespace sigrun
