// All encrypted connections of a loop.
#pragma once

#include "kernel/net/tls_pump.hpp"

#include <atomic>
#include <unordered_map>

namespace sigrun {

class tls_pumps {
public:
    explicit tls_pumps(boost::asio::io_context& loop) : loop_(loop) {}
    /// [loop] The end for whoever uses the connection.
    result<unique_fd> carry(tls_connection over);
    /// [loop] All at once.
    void close();
    /// [any]
    std::size_t count() const noexcept { return count_.load(); }

private:
    boost::asio::io_context& loop_;
    std::unordered_map<tls_pump*, std::shared_ptr<tls_pump>> open_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace sigrun
