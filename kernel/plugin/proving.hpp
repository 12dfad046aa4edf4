// Notices when plugins have served long enough to be kept as their last good version.
#pragma once

#include "kernel/plugin/plugin_set.hpp"

#include <boost/asio/steady_timer.hpp>

namespace sigrun {

class proving {
public:
    /// All must outlive it.
    proving(const plugin_host_options& options, runtime& rt, plugin_set& plugins)
        : options_(options), rt_(rt), plugins_(plugins), timer_(rt.control) {}
    /// Once everything is started.
    void begin();
    /// Nothing of it runs or begins once it returns. What was begun has come to a clean end: a plugin nothing is kept of yet
    /// is kept now, so that there is something to go back to.
    void end();

private:
    void look_again();  // [ctl]

    const plugin_host_options& options_;
    runtime& rt_;
    plugin_set& plugins_;
    boost::asio::steady_timer timer_;
    bool begun_ = false;
    bool stopped_ = false;  // on the control thread
};

}  // namespace sigrun
