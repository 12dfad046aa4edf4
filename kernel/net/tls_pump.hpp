// Carries the bytes of a TLS connection to and from a local socket, whose other end a plugin has. On one loop.
//
//   peer closes its side (close_notify) -> the plugin reads the end; it may still write
//   plugin shuts its side down          -> close_notify; the peer may still write
//   plugin closes                       -> what it wrote goes out, close_notify, the end: after k_linger in any case
//   connection breaks, or the peer ends without close_notify -> the plugin's socket is closed
//
// Nothing is kept but what one side has not taken of one record: a slow side stops the other one.
#pragma once

#include "kernel/net/tls_handshake.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace sigrun {

class tls_pump : public std::enable_shared_from_this<tls_pump> {
public:
    static constexpr std::chrono::seconds k_linger{5};

    /// `ended` runs once on the loop.
    static result<std::shared_ptr<tls_pump>> make(boost::asio::io_context& loop, tls_connection over,
                                                  std::function<void(tls_pump&)> ended);
    tls_pump(boost::asio::io_context& loop, tls_connection over, unique_fd inner, std::function<void(tls_pump&)> ended);

    /// The plugin's end; once.
    unique_fd take_outlet() { return std::move(outlet_); }
    /// [loop]
    void start();
    /// [loop] At once.
    void close();

private:
    using descriptor = boost::asio::posix::stream_descriptor;
    struct side {
        explicit side(boost::asio::io_context& loop) : watch(loop) {}
        descriptor watch;
        bool waits[3] = {false, false, false};  // by kind: one is on its way
    };
    /// Bytes that were read here and not taken there.
    struct rest {
        std::string bytes;
        std::size_t taken = 0;
        bool empty() const noexcept { return taken == bytes.size(); }
    };

    void step();
    bool to_plugin();
    bool to_peer();
    bool take_from_peer();
    bool give_to_peer(const char* bytes, std::size_t size);
    void say_goodbye();
    bool plugin_has_closed() const noexcept;
    void linger();
    void wait(side& on, descriptor::wait_type what);
    bool broke(int result);

    boost::asio::io_context& loop_;
    tls_connection over_;
    unique_fd inner_, outlet_;
    side net_, local_;
    boost::asio::steady_timer timer_;
    std::function<void(tls_pump&)> ended_;
    rest in_, out_;  // to the plugin, to the peer
    bool peer_ended_ = false, plugin_ended_ = false;
    bool told_plugin_ = false, told_peer_ = false;
    bool peer_wants_read_ = false, peer_wants_write_ = false;
    bool lingering_ = false;
};

}  // namespace sigrun
