// The settings about waiting: queues, tenants and limits, as the job engine takes them.
#pragma once

#include "kernel/job/engine.hpp"
#include "kernel/serve/settings_table.hpp"

namespace sigrun {

/// Everything of the engine that can change while it works.
engine_tuning engine_tuning_of(const daemon_settings& bound);

}  // namespace sigrun
