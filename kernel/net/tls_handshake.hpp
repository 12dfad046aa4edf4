// One TLS handshake over a connected socket, until it is done, fails or is too late. On one loop.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/net/tls_types.hpp"
#include "kernel/net/unique_fd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace sigrun {

/// A connection whose handshake is over. The session reads and writes the descriptor itself.
struct tls_connection {
    unique_fd fd;
    ssl_ptr session;
    std::string alpn;  // what both agreed on; empty = nothing
};

class tls_handshake : public std::enable_shared_from_this<tls_handshake> {
public:
    using answer = std::function<void(result<tls_connection>)>;

    /// `session` is in connect or accept state; the descriptor does not block. `insists`: without agreement on ALPN it fails.
    tls_handshake(boost::asio::io_context& loop, unique_fd fd, ssl_ptr session, bool insists, answer done);
    /// [loop] `done` runs once on the loop, maybe before this returns; not after cancel().
    void start(time_point deadline);
    /// [loop]
    void cancel();

private:
    void step();
    void wait(boost::asio::posix::stream_descriptor::wait_type what);
    void give(result<tls_connection> outcome);
    problem failure(int error) const;

    unique_fd fd_;
    ssl_ptr session_;  // before the watch: it goes first
    boost::asio::posix::stream_descriptor watch_;
    boost::asio::steady_timer timer_;
    const bool insists_;
    answer done_;
};

}  // namespace sigrun
