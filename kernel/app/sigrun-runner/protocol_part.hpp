// How the runner replaces a protocol plugin: its listener, and the connections it dialled.
#pragma once

#include "kernel/agent/agent.hpp"
#include "kernel/serve/protocol_swapper.hpp"

namespace sigrun {

/// `ears` may be null. All must outlive the reloads of `host` (end_reloads).
inline swapper runner_protocol_swapper(plugin_host& host, listener* ears, agent& who) {
    protocol_users users;
    users.ears = ears;
    users.swap = [&who](const auto& old, const auto& now) { who.replace_protocol(old, now); };
    users.settle = [&who](const auto& old, const auto&) { who.leave_protocol(old); };
    return protocol_swapper(host, std::move(users));
}

}  // namespace sigrun
