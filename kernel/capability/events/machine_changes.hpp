// The sources that tell of changes of this machine, and which facts each of them is about.
#pragma once

#include "kernel/capability/events/change_source.hpp"
#include "kernel/plugin/plugin_host.hpp"

namespace sigrun {

/// Everything there is: rtnetlink, mounts, pressure, files that packages and operators change, the sockets of container engines,
/// the paths that the options of `host`'s probes name, and fingerprints once a minute of what no event tells of.
std::vector<std::unique_ptr<change_source>> machine_changes(plugin_host& host);

}  // namespace sigrun
