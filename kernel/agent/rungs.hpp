// The ways to a controller, best first.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct rung {
    std::shared_ptr<instance> protocol;
    std::string name;  // "valkyrie"
    std::string uri;
};

/// `url` as written, then, with `ladder`, the same place over every other loaded protocol that can dial: valkyrie, grpc,
/// websocket, http, then the rest. `allowed` restricts and orders them. A url that asks for encryption is never followed
/// by one without.
result<std::vector<rung>> rungs_for(plugin_host& host, const std::string& url, bool ladder,
                                    const std::vector<std::string>& allowed);

/// The same place in another scheme of `schemes` (comma separated), or "": none fits. Pure.
std::string same_place(const std::string& url, std::string_view schemes);

}  // namespace sigrun
