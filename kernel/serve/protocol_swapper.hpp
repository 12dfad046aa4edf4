// How a protocol plugin is replaced while connections and links are open: in the daemon and in the runner alike.
//
// swap:   newcomers go to the new version, and the program's own users dial with it.
// settle: links that were dialled move (the users do that), and the old version is told to retire: it asks its peers to come
//         again, serves what they still call, and is done when its last connection has ended.
#pragma once

#include "kernel/plugin/plugin_host.hpp"
#include "kernel/serve/listener.hpp"

#include <functional>
#include <memory>

namespace sigrun {

struct protocol_users {
    using change = std::function<void(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now)>;
    listener* ears = nullptr;  // null: nobody listens. Must outlive the plugin host's reloads
    change swap;               // optional; the same with the two exchanged takes it back
    change settle;             // optional
};

swapper protocol_swapper(plugin_host& host, protocol_users users);

}  // namespace sigrun
