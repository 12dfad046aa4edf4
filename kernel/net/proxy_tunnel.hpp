// CONNECT through an HTTP proxy that is connected already. On one loop; has no deadline of its own.
#pragma once

#include "kernel/net/proxy_rules.hpp"
#include "kernel/net/unique_fd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>

namespace sigrun {

class proxy_tunnel : public std::enable_shared_from_this<proxy_tunnel> {
public:
    using answer = std::function<void(result<unique_fd>)>;

    proxy_tunnel(boost::asio::io_context& loop, unique_fd fd, const net_address& target, const proxy_server& proxy,
                 answer done);
    /// [loop] `done` runs once on the loop, maybe before this returns; not after cancel().
    void start();
    /// [loop]
    void cancel();

private:
    void send();
    void read();
    void give(result<unique_fd> outcome);
    problem failed(const std::string& why) const;

    unique_fd fd_;
    boost::asio::posix::stream_descriptor watch_;
    const std::string name_;  // of the proxy
    std::string request_;
    std::string head_;
    answer done_;
};

}  // namespace sigrun
