// Bare Beast doing the two hops of a job: a client, a forwarder and a backend that echoes the body. One thread each, plain
// sockets without timers, one connection per request in flight.
//   peer_http backend | forward PORT | client PORT OUTSTANDING SECONDS [BYTES]
#include "closed_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <memory>
#include <optional>
#include <string>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

tcp::endpoint loopback(int port) { return {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)}; }

/// A connection of a client, answered here or by the upstream; its upstream connection is its own.
class served : public std::enable_shared_from_this<served> {
public:
    explicit served(tcp::socket socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }
    void connect(int port) {
        upstream_.emplace(socket_.get_executor());
        upstream_->connect(loopback(port));
        upstream_->set_option(tcp::no_delay(true));
    }
    void next() {
        request_ = {};
        http::async_read(socket_, in_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->upstream_ ? self->ask() : self->echo();
        });
    }

private:
    void echo() {
        response_ = {http::status::ok, 11};
        response_.set(http::field::content_type, "application/json");
        response_.body() = std::move(request_.body());
        response_.prepare_payload();
        answer();
    }
    void ask() {
        http::async_write(*upstream_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->take_answer();
        });
    }
    void take_answer() {
        response_ = {};
        http::async_read(*upstream_, from_upstream_, response_,
                         [self = shared_from_this()](error_code ec, std::size_t) {
                             if (!ec) self->answer();
                         });
    }
    void answer() {
        http::async_write(socket_, response_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->next();
        });
    }

    tcp::socket socket_;
    std::optional<tcp::socket> upstream_;
    boost::beast::flat_buffer in_, from_upstream_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
};

void serve(int upstream) {
    asio::io_context loop(1);
    tcp::acceptor door(loop, loopback(0));
    peers::tell_port(door.local_endpoint().port());
    auto accept = [&](auto& again) -> void {
        door.async_accept([&](error_code ec, tcp::socket socket) {
            if (ec) return;
            auto made = std::make_shared<served>(std::move(socket));
            if (upstream) made->connect(upstream);
            made->next();
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
    caller(asio::io_context& loop, const peers::load& wanted, measurement& into) : socket_(loop), into_(into) {
        socket_.connect(loopback(wanted.port));
        socket_.set_option(tcp::no_delay(true));
        request_ = {http::verb::post, "/v1/echo", 11};
        request_.set(http::field::host, "127.0.0.1");
        request_.set(http::field::content_type, "application/json");
        request_.body() = std::string(static_cast<std::size_t>(wanted.bytes), 'x');
        request_.prepare_payload();
    }
    void next() {
        sent_ = peers::clock::now();
        if (sent_ >= into_.until) return;
        http::async_write(socket_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec) return void(++self->into_.errors);
            self->take_answer();
        });
    }

private:
    void take_answer() {
        response_ = {};
        http::async_read(socket_, in_, response_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (ec || self->response_.result() != http::status::ok) return void(++self->into_.errors);
            self->into_.seen.add(self->sent_, peers::clock::now());
            self->next();
        });
    }

    tcp::socket socket_;
    measurement& into_;
    boost::beast::flat_buffer in_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
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
