// Prometheus text of what comes and goes, read where it is kept at the moment somebody asks: protocols, runners, balancers, queues, plugins,
// the store. What `metrics` counts by itself is not in it. [any]
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

std::string live_metrics(controller& c);

}  // namespace sigrun
