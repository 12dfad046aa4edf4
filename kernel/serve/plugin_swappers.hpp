// Which kinds of plugins the daemon replaces while jobs run, and how their users change over.
#pragma once

#include "kernel/capability/detector.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/select/selector.hpp"
#include "kernel/serve/listener.hpp"

namespace sigrun {

/// All must outlive the reloads of `plugins` (end_reloads).
void set_swappers(plugin_host& plugins, selector& select, detector& local, fleet& links, listener& ears);

}  // namespace sigrun
