#include "engine.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <unistd.h>

namespace sigrun::containers {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using stream = beast::basic_stream<asio::local::stream_protocol>;
constexpr auto k_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t k_max_body = 1024 * 1024;
constexpr std::uint32_t k_max_head = 16 * 1024;

struct reply {
    boost::system::error_code error;
    unsigned status = 0;
    bool keep_alive = false;
    std::string body;
};

/// One request; the stream's expiry, which was set once for all of them, ends it.
asio::awaitable<reply> get(stream& connection, beast::flat_buffer& buffer, std::string target) {
    reply out;
    http::request<http::empty_body> request{http::verb::get, target, 11};
    request.set(http::field::host, "localhost");
    request.set(http::field::user_agent, "Sigrun");
    const auto [write_error, written] = co_await http::async_write(connection, request, k_tuple);
    out.error = write_error;
    if (out.error) co_return out;
    http::response_parser<http::string_body> parser;
    parser.body_limit(k_max_body);
    parser.header_limit(k_max_head);
    const auto [read_error, count] = co_await http::async_read(connection, buffer, parser, k_tuple);
    out.error = read_error;
    if (out.error) co_return out;
    out.status = parser.get().result_int();
    out.keep_alive = parser.get().keep_alive();
    out.body = std::move(parser.get().body());
    co_return out;
}

std::string trouble_of(std::string_view target, const reply& r) {
    if (r.error == beast::error::timeout) return std::string(target) + ": no answer in time";
    if (r.error) return std::string(target) + ": " + r.error.message();
    return std::string(target) + ": status " + std::to_string(r.status);
}

}  // namespace

asio::awaitable<engine_answer> ask_engine(int fd, std::chrono::steady_clock::time_point deadline) {
    engine_answer out;
    stream connection(co_await asio::this_coro::executor);
    boost::system::error_code ec;
    connection.socket().assign(asio::local::stream_protocol(), fd, ec);
    if (ec) {
        ::close(fd);
        out.trouble = ec.message();
        co_return out;
    }
    connection.expires_at(deadline);
    beast::flat_buffer buffer(k_max_head + k_max_body);

    const reply ping = co_await get(connection, buffer, "/_ping");
    if (ping.error || ping.status != 200 || !ping.keep_alive) {
        out.trouble = trouble_of("/_ping", ping);
        co_return out;
    }
    const reply version = co_await get(connection, buffer, "/version");
    if (version.error || version.status != 200) {
        out.trouble = trouble_of("/version", version);
        co_return out;
    }
    if (!read_version(version.body, out.facts)) {
        out.trouble = "/version: expected JSON with Version, found something else";
        co_return out;
    }
    out.usable = true;
    // A busy engine may take minutes for this one; what is known by now stands without it.
    const reply info = co_await get(connection, buffer, "/info");
    if (info.error || info.status != 200)
        out.trouble = trouble_of("/info", info);
    else
        read_info(info.body, out.facts);
    co_return out;
}

}  // namespace sigrun::containers
