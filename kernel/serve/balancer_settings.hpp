// What selection takes from the section [balancer].
#pragma once

#include "kernel/select/selector.hpp"
#include "kernel/serve/settings_table.hpp"

namespace sigrun {

protection protection_of(const daemon_settings& bound);

}  // namespace sigrun
