// Collects what several sources tell into one notice: a moment after the last of them, and at the latest two seconds after the
// first, so that a hundred interfaces that come up together are one change. [any]
#pragma once

#include "kernel/capability/events/change_source.hpp"

namespace sigrun {

class change_watch {
public:
    /// `changed` is called on the io thread, with each prefix once.
    change_watch(boost::asio::io_context& io, std::vector<std::unique_ptr<change_source>> sources,
                 change_source::notice changed);
    /// Waits for the io thread: no notice runs any more when it returns. Before plugin_host::shutdown.
    ~change_watch();
    change_watch(const change_watch&) = delete;
    change_watch& operator=(const change_watch&) = delete;
    /// Names of the sources that can watch here. Once.
    std::vector<std::string> start();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace sigrun
