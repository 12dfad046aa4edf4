// The settings about protocols, as the fleet takes them.
#pragma once

#include "kernel/link/fleet.hpp"
#include "kernel/serve/settings_table.hpp"

namespace sigrun {

/// A problem names the field: a weight that cannot be read, or a protocol that is in neither `known`.
result<void> check_rung_settings(const daemon_settings& bound, const std::vector<std::string>& known);
/// Everything of the fleet that can change while it works.
fleet_tuning fleet_tuning_of(const daemon_settings& bound);
/// The protocols that are not looked for.
std::vector<std::string> not_detected(const daemon_settings& bound);

}  // namespace sigrun
