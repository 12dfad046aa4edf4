// The process of one probe: loads the plugin its parent hands it, makes the instance, and runs it when asked, until the parent
// closes the socket.
#pragma once

namespace sigrun {

/// What main() begins with, beside run_as_plugin_host: `PROGRAM --probe-host` is such a child. Returns its exit code, or -1 if
/// these are the arguments of an ordinary start.
int run_as_probe_host(int argc, char** argv);

}  // namespace sigrun
