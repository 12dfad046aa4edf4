// Bare Beast doing the two hops of a job over WebSocket: a client, a forwarder and a backend that echoes each message. One
// thread each, no compression, one connection per message in flight.
//   peer_websocket backend | forward PORT | client PORT OUTSTANDING SECONDS [BYTES]
#include "closed_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include <memory>
#include <optional>
#include <string>

namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;
using stream = websocket::stream<tcp::socket>;

tcp::endpoint loopback(int port) { return {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)}; }

void dial(stream& to, int port) {
    to.next_layer().connect(loopback(port));
    to.next_layer().set_option(tcp::no_delay(true));
    to.handshake("127.0.0.1", "/");
    to.text(true);
}

/// A connection of a client, answered here or by the upstream; its upstream connection is its own.
class served : public std::enable_shared_from_this<served> {
public:
    explicit served(tcp::socket socket) : stream_(std::move(socket)) {
        stream_.next_layer().set_option(tcp::no_delay(true));
        stream_.text(true);
    }
    void begin(int upstream) {
        if (upstream) dial(upstream_.emplace(stream_.get_executor()), upstream);
        stream_.async_accept([self = shared_from_this()](error_code ec) {
            if (!ec) self->next();
        });
    }

private:
    void next() {
        in_.clear();
        stream_.async_read(in_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->upstream_ ? self->ask() : self->answer();
        });
    }
    void ask() {
        upstream_->async_write(in_.data(), [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->take_answer();
        });
    }
    void take_answer() {
        in_.clear();
        upstream_->async_read(in_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->answer();
        });
    }
    void answer() {
        stream_.async_write(in_.data(), [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->next();
        });
    }

    stream stream_;
    std::optional<stream> upstream_;
    boost::beast::flat_buffer in_;
};

void serve(int upstream) {
    asio::io_context loop(1);
    tcp::acceptor door(loop, loopback(0));
    peers::tell_port(door.local_endpoint().port());
    auto accept = [&](auto& again) -> void {
        door.async_accept([&](error_code ec, tcp::socket socket) {
            if (ec) return;
            std::make_shared<served>(std::move(socket))->begin(upstream);
            again(again);
        });
    };
    accept(accept);
    loop.run();
}

struct measurement {
    peers::clock::time_point until;
    peers::latencies seen;
    std::uint64_t errors = 0;
};

class caller : public std::enable_shared_from_this<caller> {
public:
    caller(asio::io_context& loop, const peers::load& wanted, measurement& into)
        : stream_(loop), into_(into), message_(static_cast<std::size_t>(wanted.bytes), 'x') {
        dial(stream_, wanted.port);
    }
    void next() {
        sent_ = peers::clock::now();
        if (sent_ >= into_.until) return;
        stream_.async_write(asio::buffer(message_), [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec) return void(++self->into_.errors);
            self->take_answer();
        });
    }

private:
    void take_answer() {
        in_.clear();
        stream_.async_read(in_, [self = shared_from_this()](error_code ec, std::size_t n) {
            if (ec || n != self->message_.size()) return void(++self->into_.errors);
            self->into_.seen.add(self->sent_, peers::clock::now());
            self->next();
        });
    }

    stream stream_;
    measurement& into_;
    const std::string message_;
    boost::beast::flat_buffer in_;
    peers::clock::time_point sent_;
};

void measure(const peers::load& wanted) {
    asio::io_context loop(1);
    measurement into;
    std::vector<std::shared_ptr<caller>> callers;
    for (int i = 0; i < wanted.outstanding; ++i) callers.push_back(std::make_shared<caller>(loop, wanted, into));
    const auto begin = peers::clock::now();
    into.until =
        begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    for (const auto& each : callers) each->next();
    loop.run();
    into.seen.print(std::chrono::duration<double>(peers::clock::now() - begin).count(), into.errors);
}

}  // namespace

int main(int argc, char** argv) {
    const auto mine = peers::parse_part(argc, argv);
    if (mine.is == peers::role::client)
        measure(mine.wanted);
    else
        serve(mine.upstream);
}
