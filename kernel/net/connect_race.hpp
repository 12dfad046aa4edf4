// Happy eyeballs (RFC 8305): several addresses of one place, begun 250 ms apart, the next one at once when one fails; the
// first connection wins and the others are dropped. On one loop; has no deadline of its own.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/net/socket_address.hpp"
#include "kernel/net/unique_fd.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <list>
#include <memory>
#include <vector>

namespace sigrun {

class connect_race : public std::enable_shared_from_this<connect_race> {
public:
    static constexpr std::chrono::milliseconds k_step{250};
    struct winner {
        unique_fd fd;  // non-blocking, close-on-exec, without Nagle's delay
        socket_address peer;
    };
    using answer = std::function<void(result<winner>)>;

    connect_race(boost::asio::io_context& loop, std::vector<socket_address> addresses, answer done);
    /// [loop] `done` runs once on the loop, maybe before this returns; not after cancel().
    void start();
    /// [loop]
    void cancel();

private:
    using socket = boost::asio::generic::stream_protocol::socket;
    void begin_next();
    void failed(const socket_address& where, const std::string& why);
    void give(result<winner> outcome);

    boost::asio::io_context& loop_;
    boost::asio::steady_timer step_;
    std::vector<socket_address> addresses_;
    std::size_t next_ = 0;
    std::list<socket> trying_;
    std::string why_;  // the first address that failed, and how
    answer done_;
};

}  // namespace sigrun
