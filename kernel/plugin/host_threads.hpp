// The threads of a plugin host, for a watchdog.
#pragma once

#include "kernel/base/watchdog.hpp"

#include <vector>

namespace sigrun {

class plugin_host;

/// Usable until the host is shut down.
std::vector<watched_thread> threads_of(plugin_host& host);

}  // namespace sigrun
