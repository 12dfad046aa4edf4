// From an endpoint to socket addresses. Names are looked up on a worker thread of the host, because the
// system's resolver blocks; Asio's own resolver would start a thread the host knows nothing of.
#pragma once

#include "dial/endpoint.hpp"
#include "loop.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun::http {

using socket_address = asio::generic::stream_protocol::endpoint;

/// Lookups that still run on host threads; the plugin waits for them before it goes.
class lookups {
public:
    std::atomic<std::size_t> running{0};
};

/// [loop] `done` runs on the loop, never before this returns; no addresses: `why` tells the reason.
void resolve(const sdk::host& host, loop& where, const std::shared_ptr<lookups>& count, const endpoint& at,
             std::function<void(std::vector<socket_address>, std::string why)> done);

}  // namespace sigrun::http
