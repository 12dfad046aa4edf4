// The settings about waiting: queues, tenants and limits, as the job engine takes them.
#pragma once

#include "kernel/job/engine.hpp"
#include "kernel/serve/settings_table.hpp"

#include <functional>

namespace sigrun {

/// A problem names the field: a balancer that is not `loaded` (those that are have these `names`), or a priority that
/// there is not.
result<void> check_queue_settings(const daemon_settings& bound, const std::function<bool(const std::string&)>& loaded,
                                  const std::vector<std::string>& names);
/// Everything of the engine that can change while it works.
engine_tuning engine_tuning_of(const daemon_settings& bound);
artifact_limits artifact_limits_of(const daemon_settings& bound);

}  // namespace sigrun
