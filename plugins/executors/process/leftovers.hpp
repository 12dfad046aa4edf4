// Finds and kills the processes of an attempt whose shim was killed: they carry its token in their environment.
#pragma once

#include <string>

namespace sigrun::process {

/// Kills every process whose environment has SIGRUN_FENCING_TOKEN=token, again until a scan finds none or two seconds
/// are over. Returns how many were still there at the end. A process that replaced its environment is not found.
/// An empty token matches nothing.
std::size_t kill_leftovers(const std::string& token);

}  // namespace sigrun::process
