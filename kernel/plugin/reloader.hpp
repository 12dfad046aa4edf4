// Replaces plugins in a running program, one at a time: read, gate, trial in a child, load beside the old generation, swap,
// and reap what nobody uses any more. See plugin-sdk.md section 5.
#pragma once

#include "kernel/plugin/plugin_set.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <string>

namespace sigrun {

class reloader {
public:
    /// All must outlive it, and end() must have returned before it is destroyed.
    reloader(const plugin_host_options& options, runtime& rt, plugin_set& plugins)
        : options_(options), rt_(rt), plugins_(plugins), reaping_(rt.control) {}

    void set_swapper(std::string_view kind, swapper how);
    /// See plugin_host::reload.
    void reload(std::string name, std::function<void(result<reload_report>)> done);
    /// No reload runs or begins once it returns.
    void end();

private:
    result<plugin_set::examined> examine(const std::string& name) const;                // [work]
    result<reload_report> replace(const plugin_set::examined& file, time_point began);  // [ctl]
    void reap();                                                                        // [ctl]

    const plugin_host_options& options_;
    runtime& rt_;
    plugin_set& plugins_;
    std::map<std::string, swapper, std::less<>> swappers_;
    boost::asio::steady_timer reaping_;
    bool stopped_ = false;  // on the control thread
};

}  // namespace sigrun
