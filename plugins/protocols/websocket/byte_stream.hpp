// The socket below a WebSocket stream: it notes when bytes moved, so that slow peers can be told from busy ones, bounds what a
// handshake may send, and gives bytes that were read before the stream existed. On its loop's thread only.
#pragma once

#include "loop.hpp"

#include <boost/asio/compose.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>

#include <optional>
#include <string>

namespace sigrun::websocket {

class byte_stream {
public:
    using socket_type = asio::generic::stream_protocol::socket;
    using executor_type = socket_type::executor_type;
    using error_code = boost::system::error_code;

    /// `early`: what the peer sent already and comes first.
    byte_stream(socket_type&& socket, std::string early) : socket_(std::move(socket)), early_(std::move(early)) {}

    executor_type get_executor() noexcept { return socket_.get_executor(); }
    socket_type& socket() noexcept { return socket_; }

    /// From now on at most so many bytes may be read; nothing: as many as come. One more is an error.
    void allow(std::optional<std::size_t> bytes) noexcept { allowed_ = bytes; }
    time_point heard() const noexcept { return heard_; }
    /// Since when the socket has taken nothing of what it was given; nothing: no write waits.
    std::optional<time_point> blocked_since() const noexcept { return blocked_since_; }
    /// Whether a read or write has not called back.
    bool is_busy() const noexcept { return under_way_ > 0; }
    /// Bytes that lie in the socket: closing now would lose them.
    bool has_unread() {
        error_code ec;
        return !early_.empty() || socket_.available(ec) > 0;
    }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& to, Token&& token) {
        return asio::async_compose<Token, void(error_code, std::size_t)>(read_op<Buffers>{*this, to}, token, socket_);
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        return asio::async_compose<Token, void(error_code, std::size_t)>(write_op<Buffers>{*this, from}, token,
                                                                         socket_);
    }

private:
    template <class Buffers>
    struct read_op {
        byte_stream& of;
        Buffers to;
        bool begun = false;
        template <class Self>
        void operator()(Self& self, error_code ec = {}, std::size_t n = 0) {
            if (begun) {
                --of.under_way_;
                of.took(n, ec);
                return self.complete(ec, n);
            }
            begun = true;
            ++of.under_way_;
            if (of.early_.empty()) return of.socket_.async_read_some(to, std::move(self));
            const auto given = asio::buffer_copy(to, asio::buffer(of.early_));
            of.early_.erase(0, given);
            auto executor = of.get_executor();
            asio::post(executor, boost::beast::bind_front_handler(std::move(self), error_code{}, given));
        }
    };
    template <class Buffers>
    struct write_op {
        byte_stream& of;
        Buffers from;
        bool begun = false;
        template <class Self>
        void operator()(Self& self, error_code ec = {}, std::size_t n = 0) {
            if (begun) {
                --of.under_way_;
                of.blocked_since_.reset();
                return self.complete(ec, n);
            }
            begun = true;
            ++of.under_way_;
            of.blocked_since_ = clock::now();
            of.socket_.async_write_some(from, std::move(self));
        }
    };

    void took(std::size_t n, error_code& ec) {
        heard_ = clock::now();
        if (!allowed_) return;
        if (n > *allowed_) {
            if (!ec) ec = boost::system::errc::make_error_code(boost::system::errc::message_size);
            return;
        }
        *allowed_ -= n;
    }

    socket_type socket_;
    std::string early_;
    std::optional<std::size_t> allowed_;
    time_point heard_ = clock::now();
    std::optional<time_point> blocked_since_;
    int under_way_ = 0;
};

// How Beast ends the layer below a stream. It only ends the sending: whoever owns the stream waits for the peer's end, and not
// for ever.
inline void teardown(boost::beast::role_type, byte_stream& s, boost::system::error_code& ec) {
    s.socket().shutdown(asio::socket_base::shutdown_send, ec);
}
template <class Handler>
void async_teardown(boost::beast::role_type, byte_stream& s, Handler&& handler) {
    boost::system::error_code ec;
    s.socket().shutdown(asio::socket_base::shutdown_send, ec);
    asio::post(s.get_executor(), boost::beast::bind_front_handler(std::forward<Handler>(handler), ec));
}
inline void beast_close_socket(byte_stream& s) {
    boost::system::error_code ec;
    s.socket().close(ec);
}

}  // namespace sigrun::websocket
