// How the daemon changes over from one store to another while jobs are accepted.
#pragma once

namespace sigrun {

class journal;
class plugin_host;

/// `store` must outlive the host's reloads. Executors are replaced, too: the daemon loads them and uses none.
void set_storage_swappers(plugin_host& plugins, journal& store);

}  // namespace sigrun
