#include "serve/newcomer.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

namespace sigrun::websocket {
namespace {
namespace http = boost::beast::http;

constexpr std::string_view k_end_of_head = "\r\n\r\n";
constexpr std::size_t k_read_size = 4096;
constexpr std::size_t k_max_fields = 100;
constexpr auto k_linger = std::chrono::seconds(2);

std::string_view reason_of(int status) {
    switch (status) {
        case 408: return "Request Timeout";
        case 421: return "Misdirected Request";
        case 431: return "Request Header Fields Too Large";
        default: {
            const auto text = http::obsolete_reason(static_cast<http::status>(status));
            return {text.data(), text.size()};
        }
    }
}

}  // namespace

bool on_loopback(int fd) {
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return true;  // the strict rule
    if (local.ss_family == AF_INET) {
        const auto address = ntohl(reinterpret_cast<const sockaddr_in&>(local).sin_addr.s_addr);
        return address >> 24 == IN_LOOPBACKNET;
    }
    if (local.ss_family != AF_INET6) return false;
    const auto& address = reinterpret_cast<const sockaddr_in6&>(local).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == IN_LOOPBACKNET);
}

newcomer::newcomer(core_ptr shared, loop& on, byte_stream::socket_type socket, origin from, sdk::host_rule hosts)
    : shared_(std::move(shared)),
      counts_(counted(shared_)),
      loop_(on),
      socket_(std::move(socket)),
      from_(std::move(from)),
      hosts_(std::move(hosts)) {}

void newcomer::begin() {
    deadline_ = clock::now() + shared_->options.now().handshake_timeout;
    loop_.add(shared_from_this());
    read();
}

void newcomer::read() {
    const auto have = in_.size();
    in_.resize(have + k_read_size);
    socket_.async_read_some(asio::buffer(in_.data() + have, k_read_size),
                            [self = shared_from_this(), have](const boost::system::error_code& ec, std::size_t n) {
                                if (self->gone_ || self->judged_) return;
                                self->in_.resize(have + n);
                                if (ec) return self->release();
                                const auto end = self->in_.find(k_end_of_head, have < 3 ? 0 : have - 3);
                                const auto limit = self->shared_->options.now().max_header;
                                const auto size =
                                    end == std::string::npos ? self->in_.size() : end + k_end_of_head.size();
                                if (size > limit)
                                    return self->refuse({431,
                                                         {"too_large", "the head of the request is too large", "head",
                                                          sdk::concat("at most ", limit, " bytes"), "more"}});
                                end == std::string::npos ? self->read() : self->on_head(size);
                            });
}

void newcomer::on_head(std::size_t size) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(size + 1));
    boost::system::error_code ec;
    parser.put(asio::buffer(in_.data(), size), ec);
    const auto fields = std::distance(parser.get().begin(), parser.get().end());
    if ((!ec || ec == http::error::need_more) && static_cast<std::size_t>(fields) > k_max_fields)
        return refuse({431,
                       {"too_large", "the head of the request is too large", "head",
                        sdk::concat("at most ", k_max_fields, " fields"), "more"}});
    if ((ec && ec != http::error::need_more) || !parser.is_header_done())
        return refuse({400,
                       {"invalid", "not a valid HTTP request", "request", "the syntax of RFC 9112",
                        ec ? ec.message() : std::string("a head that does not end")}});
    const auto asked = parser.get();
    auto verdict = check_upgrade(asked, hosts_);
    if (verdict.refused) return refuse(*verdict.refused);
    if (!verdict.auth.empty()) from_.auth = std::move(verdict.auth);
    from_.peer_message = verdict.peer_message;
    judged_ = gone_ = true;
    const auto keep = shared_from_this();
    auto made = std::make_shared<connection>(shared_, loop_, std::move(socket_), in_.substr(size), std::move(from_));
    loop_.remove(this);
    made->accept(asked, verdict.with_subprotocol);
}

void newcomer::refuse(const refused_upgrade& why) {
    judged_ = true;
    shared_->numbers.add(shared_->numbers.refused_upgrades);
    const auto body = sdk::to_json(why.why);
    out_ =
        sdk::concat("HTTP/1.1 ", why.status, " ", reason_of(why.status), "\r\nDate: ", loop_.date(),
                    "\r\nServer: Sigrun/0.1\r\nContent-Type: application/problem+json\r\nContent-Length: ", body.size(),
                    "\r\nConnection: close\r\n", why.headers, "\r\n", body);
    deadline_ = clock::now() + k_linger;
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](const boost::system::error_code& ec, std::size_t) {
                          if (self->gone_) return;
                          if (ec) return self->release();
                          boost::system::error_code ignored;
                          self->socket_.shutdown(asio::socket_base::shutdown_send, ignored);
                          self->linger();
                      });
}

/// Closing with unread input would reset the connection and destroy the answer on its way.
void newcomer::linger() {
    in_.resize(k_read_size);
    socket_.async_read_some(asio::buffer(in_),
                            [self = shared_from_this()](const boost::system::error_code& ec, std::size_t) {
                                if (self->gone_) return;
                                ec ? self->release() : self->linger();
                            });
}

void newcomer::tick(time_point now) {
    if (gone_ || now < deadline_) return;
    if (judged_) return release();
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(shared_->options.now().handshake_timeout);
    refuse({408,
            {"timeout", "the head of the request came too slowly", "head",
             sdk::concat("all of it within ", limit.count(), " ms"), "a part of it"}});
}

void newcomer::release() {
    if (std::exchange(gone_, true)) return;
    const auto keep = shared_from_this();
    boost::system::error_code ec;
    socket_.close(ec);
    from_.lifetime.ok();
    loop_.remove(this);
}

}  // namespace sigrun::websocket
