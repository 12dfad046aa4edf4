// Prometheus text of what comes and goes, read where it is kept at the moment somebody asks: protocols, runners, balancers, queues, plugins,
// the store. What `metrics` counts by itself is not in it. [any]
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

/// `with_requirements`: what jobs ask for is told as text, too.
std::string live_metrics(controller& c, bool with_requirements);

}  // namespace sigrun
