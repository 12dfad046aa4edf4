#include "engine_http.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace sigrun::container {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
constexpr std::size_t k_most_body = 4u << 20;
constexpr std::uint32_t k_most_head = 64u << 10;
constexpr std::size_t k_piece = 64u << 10;

// What Beast calls a synchronous stream, on a descriptor that does not block.
class socket_stream {
public:
    explicit socket_stream(const std::string& path) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        if (path.size() >= sizeof at.sun_path)
            throw engine_error(sdk::concat(path, ": the path is too long for a socket"));
        std::memcpy(at.sun_path, path.data(), path.size());
        fd_ = process::descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd_ || ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
            throw engine_error(sdk::concat(path, ": ", std::strerror(errno)));
    }
    void wait_with(steady::time_point until, int wake) {
        until_ = until;
        wake_ = wake;
    }

    template <class Buffers>
    std::size_t read_some(const Buffers& buffers, error_code& ec) {
        return transfer(*boost::asio::buffer_sequence_begin(buffers), POLLIN, ec,
                        [](int fd, auto& b) { return ::recv(fd, b.data(), b.size(), 0); });
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, error_code& ec) {
        auto at = boost::asio::buffer_sequence_begin(buffers);
        while (at != boost::asio::buffer_sequence_end(buffers) && boost::asio::const_buffer(*at).size() == 0) ++at;
        if (at == boost::asio::buffer_sequence_end(buffers)) return 0;
        return transfer(boost::asio::const_buffer(*at), POLLOUT, ec,
                        [](int fd, auto& b) { return ::send(fd, b.data(), b.size(), MSG_NOSIGNAL); });
    }

    // What Beast asks of a stream, and does not call here.
    template <class Buffers>
    std::size_t read_some(const Buffers& buffers) {
        error_code ec;
        return thrown(read_some(buffers, ec), ec);
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers) {
        error_code ec;
        return thrown(write_some(buffers, ec), ec);
    }

private:
    static std::size_t thrown(std::size_t n, const error_code& ec) {
        if (ec) throw boost::system::system_error(ec);
        return n;
    }
    template <class Buffer, class Move>
    std::size_t transfer(Buffer buffer, short what, error_code& ec, const Move& move) {
        ec = {};
        for (;;) {
            const ssize_t n = move(fd_.get(), buffer);
            if (n > 0) return static_cast<std::size_t>(n);
            if (n == 0) {
                ec = boost::asio::error::eof;
                return 0;
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                ec = error_code(errno, boost::system::system_category());
                return 0;
            }
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - steady::now()).count();
            pollfd both[2] = {{fd_.get(), what, 0}, {wake_, POLLIN, 0}};
            const int timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
            const int ready = left > 0 ? ::poll(both, 2, timeout) : 0;
            if (ready < 0 && errno == EINTR) continue;
            if (ready <= 0 || both[1].revents) {
                ec = ready <= 0 ? boost::asio::error::timed_out : boost::asio::error::operation_aborted;
                return 0;
            }
        }
    }

    process::descriptor fd_;
    steady::time_point until_{};
    int wake_ = -1;
};

bool interrupted(const error_code& ec) {
    return ec == boost::asio::error::timed_out || ec == boost::asio::error::operation_aborted;
}

void send(socket_stream& to, std::string_view method, const std::string& target, const std::string& body) {
    http::request<http::string_body> request;
    request.version(11);
    request.method_string({method.data(), method.size()});
    request.target(target);
    request.set(http::field::host, "localhost");
    request.set(http::field::user_agent, "Sigrun");
    request.set(http::field::connection, "close");
    if (!body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = body;
    request.prepare_payload();
    error_code ec;
    http::write(to, request, ec);
    if (ec) throw engine_error(sdk::concat(method, " ", target, ": ", ec.message()));
}

}  // namespace

std::string engine_reply::message() const {
    error_code ec;
    const auto v = boost::json::parse(body, ec);
    if (!ec && v.is_object())
        for (const char* name : {"message", "cause"})
            if (const auto* text = v.get_object().if_contains(name);
                text && text->is_string() && !text->get_string().empty())
                return std::string(text->get_string());
    const auto text = sdk::trimmed(body);
    return text.empty() ? sdk::concat("status ", status) : std::string(text.substr(0, 300));
}

engine_reply engine_http::ask(std::string_view method, const std::string& target, const std::string& body,
                              std::chrono::milliseconds limit) const {
    socket_stream connection(path_);
    connection.wait_with(steady::now() + limit, -1);
    send(connection, method, target, body);
    http::response_parser<http::string_body> parser;
    parser.body_limit(k_most_body);
    parser.header_limit(k_most_head);
    beast::flat_buffer buffer;
    error_code ec;
    http::read(connection, buffer, parser, ec);
    if (ec) throw engine_error(sdk::concat(method, " ", target, ": ", ec.message()));
    return {parser.get().result_int(), std::move(parser.get().body())};
}

struct engine_stream::impl {
    explicit impl(const std::string& path) : connection(path) {
        parser.body_limit(boost::none);
        parser.header_limit(k_most_head);
    }
    socket_stream connection;
    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    std::string room = std::string(k_piece, '\0');
};

engine_stream::engine_stream(const engine_http& engine, std::string_view method, const std::string& target,
                             std::chrono::milliseconds limit)
    : impl_(std::make_unique<impl>(engine.path())) {
    impl_->connection.wait_with(steady::now() + limit, -1);
    send(impl_->connection, method, target, {});
    error_code ec;
    http::read_header(impl_->connection, impl_->buffer, impl_->parser, ec);
    if (ec) throw engine_error(sdk::concat(method, " ", target, ": ", ec.message()));
}

engine_stream::engine_stream(engine_stream&&) noexcept = default;
engine_stream::~engine_stream() = default;
unsigned engine_stream::status() const { return impl_->parser.get().result_int(); }

engine_stream::state engine_stream::next(std::string& piece, steady::time_point until, int wake) {
    auto& i = *impl_;
    i.connection.wait_with(until, wake);
    while (!i.parser.is_done()) {
        auto& body = i.parser.get().body();
        body.data = i.room.data();
        body.size = i.room.size();
        body.more = true;
        error_code ec;
        http::read_some(i.connection, i.buffer, i.parser, ec);
        const auto n = i.room.size() - body.size;
        if (n > 0) {
            piece.assign(i.room, 0, n);
            return state::piece;
        }
        if (ec == http::error::need_buffer) ec = {};
        if (interrupted(ec)) return state::interrupted;
        if (ec) return state::over;
    }
    return state::over;
}

std::string url_encoded(std::string_view text) {
    static constexpr char k_hex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        const auto byte = static_cast<unsigned char>(c);
        if (plain)
            out += c;
        else
            (out += '%').append({k_hex[byte >> 4], k_hex[byte & 15]});
    }
    return out;
}

}  // namespace sigrun::container
