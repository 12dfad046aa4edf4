// Looks at what the files of running plugins hold now and replaces those that changed, one after another.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct swept_plugin {
    std::string id;
    result<reload_report> outcome;
};

/// `name`: one plugin by id or file name; empty: every active one that is not pinned and whose instances are of these kinds
/// alone. What happened is logged per plugin. [any]; `done` runs once, on the control thread; not at all if the host is shut
/// down before.
void sweep_plugins(plugin_host& host, const std::string& name, const std::vector<std::string_view>& kinds,
                   std::function<void(const std::vector<swept_plugin>&)> done);

/// Records {id, changed, old, new} or {id, error}; those that had not changed only where nothing else was looked at.
json::array to_json(const std::vector<swept_plugin>& all);

}  // namespace sigrun
