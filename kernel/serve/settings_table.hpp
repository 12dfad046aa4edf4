// The daemon's own options: one table per INI section. Documentation, checks and reading all come from here.
#pragma once

#include "kernel/config/settings.hpp"

#include <map>
#include <span>
#include <string>

namespace sigrun {

/// [server] [log] [registry] [detector] [interface] [balancer] [jobs] ..., and [queue NAME], [tenant NAME], [zone NAME],
/// [runner NAME].
std::span<const documented_section> daemon_sections();

/// The checked sections by name ("server"), and those of a kind by theirs.
struct daemon_settings {
    using by_name = std::map<std::string, std::shared_ptr<const bound_section>, std::less<>>;
    by_name sections, queues, tenants, groups, zones, runners;
    const bound_section& at(std::string_view name) const { return *sections.find(name)->second; }
};
/// Fails with file, line and the nearest name for an unknown section or key. [plugin X] and [instance X] sections are
/// left to the plugin host.
result<daemon_settings> bind_daemon_settings(const settings& config);
/// [queue NAME], [tenant NAME], [zone NAME] or [runner NAME]: what they say can always change while the daemon runs.
bool is_section_of_kind(std::string_view name) noexcept;
/// What the tables cannot judge: addresses that can be listened on, and only local ones unless others are wanted.
result<void> check_daemon_values(const daemon_settings& bound, const settings& from);
/// The problem of a value, with the place where it was written.
problem with_origin(problem p, const settings& from);

}  // namespace sigrun
