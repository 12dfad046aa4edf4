// Which daemon to talk to and where its plugins are. Pure: the surroundings come in as arguments.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

struct surroundings {
    std::function<std::string(const char*)> variable;  // "" when unset
    std::function<bool(const std::string& path)> exists;
    unsigned user = 0;    // effective user id
    std::string program;  // full path of this executable
    static surroundings real();
};

/// $XDG_STATE_HOME/sigrun, ~/.local/state/sigrun, or /var/lib/sigrun for root: where `sigrund` keeps its
/// state by default.
std::string default_state_dir(const surroundings& s);
/// `given` (--url), else SIGRUN_URL, else the daemon's UNIX socket if it is there, else
/// valkyrie://127.0.0.1:7070. Short forms are completed: "/path" and "unix:/path" to valkyrie+unix://,
/// "host:port" to valkyrie://.
std::string daemon_url(std::string_view given, const surroundings& s);
/// `given` (--plugin-dir), else SIGRUN_PLUGIN_DIR, else ../plugins or ../lib/sigrun/plugins beside the
/// program.
std::string plugin_dir(std::string_view given, const surroundings& s);

}  // namespace sigrun::cli
