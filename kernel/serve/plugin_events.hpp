// What happens to plugins, as events and numbers of the daemon.
#pragma once

#include "kernel/metrics/metrics.hpp"
#include "kernel/plugin/plugin_event.hpp"
#include "kernel/runner/event_log.hpp"

namespace sigrun {

/// Both must outlive whoever is observed.
plugin_observer publish_plugin_events(event_log& events, metrics& numbers);

}  // namespace sigrun
