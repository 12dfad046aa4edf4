// What selection takes from the section [balancer].
#pragma once

#include "kernel/select/selector.hpp"
#include "kernel/serve/settings_table.hpp"

#include <functional>

namespace sigrun {

/// Of jobs that name none: balancer.default_algorithm, or round_robin where nobody has set that and the usual one is not
/// `loaded`. A problem names those that are (`names`).
result<std::string> default_balancer(const daemon_settings& bound, const settings& from,
                                     const std::function<bool(const std::string&)>& loaded,
                                     const std::vector<std::string>& names);
/// The same for a configuration in which it was found.
void use_default_balancer(selector& select, const daemon_settings& bound);
/// Whether, and to whom, a balancer that chooses among the others may switch.
void allow_choices(selector& select, const daemon_settings& bound);
protection protection_of(const daemon_settings& bound);

}  // namespace sigrun
