// From an endpoint to socket addresses: a path or an address is one already, a name is looked up.
#pragma once

#include "dial/endpoint.hpp"
#include "dial/name_lookups.hpp"
#include "loop.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include <functional>
#include <string>
#include <vector>

namespace sigrun::http {

using socket_address = asio::generic::stream_protocol::endpoint;

/// [loop] `done` runs on the loop, never before this returns; no addresses: `why` tells the reason. After `deadline` no
/// lookup is begun.
void resolve(loop& where, name_lookups& names, const endpoint& at, time_point deadline,
             std::function<void(std::vector<socket_address>, std::string why)> done);

}  // namespace sigrun::http
