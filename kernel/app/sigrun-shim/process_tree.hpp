// Every process that descends from this one, found through /proc.
#pragma once

#include <cstddef>

namespace sigrun::shim {

/// Sends `signal` to each descendant: its process group as a whole, which fork cannot outrun, and the process itself.
/// Returns how many were found. A process born meanwhile may be missed: call again until wait() finds no child.
std::size_t signal_descendants(int signal);

}  // namespace sigrun::shim
