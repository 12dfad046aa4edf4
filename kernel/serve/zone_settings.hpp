// The settings about zones: [server] zone and the [zone NAME] sections, as the selector takes them.
#pragma once

#include "kernel/select/zones.hpp"
#include "kernel/serve/settings_table.hpp"

namespace sigrun {

/// A problem names the field.
result<std::vector<zone_declaration>> read_zone_settings(const daemon_settings& bound);

}  // namespace sigrun
