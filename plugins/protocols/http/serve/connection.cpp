#include "serve/connection.hpp"

#include "serve/exchange.hpp"
#include "serve/response.hpp"
#include "serve/server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/error.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

namespace sigrun::http {
namespace {
namespace bhttp = boost::beast::http;

constexpr std::size_t k_read_size = std::size_t{16} << 10;
constexpr std::size_t k_max_backlog = std::size_t{1} << 20;
constexpr std::size_t k_max_fields = 100;
constexpr auto k_linger = std::chrono::seconds(2);
constexpr auto k_half_closed = std::chrono::seconds(5);

int family_of(int fd) {
    int family = 0;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) throw sdk::failure(SIGRUN_E_IO, "not a socket");
    return family;
}

std::string within(std::chrono::nanoseconds limit) {
    return sdk::concat("all of it within ", std::chrono::duration_cast<std::chrono::milliseconds>(limit).count(),
                       " ms");
}

/// Whether the connection came in over a loopback address, as everything does that a browser of this machine sends here.
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

}  // namespace

connection::connection(server& owner, loop& where, const sigrun_accept& accept)
    : owner_(owner), loop_(where), socket_(where.context()), session_(accept.session) {
    if (accept.flags & SIGRUN_ACCEPT_UNIX) peer_auth_ = sdk::concat("uid ", accept.uid);
    hosts_ = {on_loopback(accept.fd), owner.options().allowed_hosts};
    socket_.assign(asio::generic::stream_protocol(family_of(accept.fd), 0), accept.fd);
}

connection::~connection() { owner_.connection_gone(); }

void connection::begin(sdk::op lifetime) {
    lifetime_ = std::move(lifetime);
    boost::system::error_code ec;
    socket_.non_blocking(true, ec);
    loop_.add(shared_from_this());
    next_request();
    arm_read();
}

void connection::next_request() {
    phase_ = phase::head;
    since_ = clock::now();
    head_only_ = false;
    http10_ = false;
    head_size_ = 0;
    names_ = {};
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(owner_.options().max_header));
    parser_->body_limit(owner_.options().max_body);
}

void connection::arm_read() {
    // While an answer is awaited, reading goes on: it is how the end of the peer is noticed. What a peer can
    // make us keep by that is bounded by the size of one head.
    if (reading_ || input_ended_ || phase_ == phase::closed) return;
    if (reads_requests() && backlog() > k_max_backlog) return;
    if (phase_ != phase::linger && in_.size() > owner_.options().max_header + k_read_size) return;
    reading_ = true;
    socket_.async_read_some(
        in_.prepare(k_read_size),
        [self = shared_from_this()](const boost::system::error_code& ec, std::size_t n) { self->on_read(ec, n); });
}

void connection::on_read(const boost::system::error_code& ec, std::size_t n) {
    reading_ = false;
    if (phase_ == phase::closed) return;
    if (ec) return ec == asio::error::eof ? on_end_of_input() : close();
    if (phase_ == phase::linger) {
        in_.consume(in_.size());
        return arm_read();
    }
    if (phase_ == phase::head && in_.size() == 0) since_ = clock::now();
    in_.commit(n);
    advance();
}

void connection::on_end_of_input() {
    input_ended_ = true;
    if (phase_ == phase::answer && pending_ && pending_->streams()) return close();
    if (phase_ == phase::answer) {
        since_ = clock::now();  // a peer that only half-closed still gets its answer, if it comes soon
        return;
    }
    if (phase_ == phase::linger && backlog() == 0) return close();
    if (phase_ != phase::linger) linger();
}

void connection::advance() {
    if (advancing_) return;
    advancing_ = true;
    // A peer that pipelines requests but takes no answers has to wait.
    while (reads_requests() && backlog() <= k_max_backlog && parse_some()) {
    }
    advancing_ = false;
    if (input_ended_ && reads_requests() && backlog() <= k_max_backlog) linger();
    if (owner_.ends_idle()) end_if_idle();
    flush();
    arm_read();
}

/// Bytes that lie in the socket: the beginning of a request, which closing would lose.
bool connection::has_unread() {
    boost::system::error_code ec;
    return socket_.available(ec) > 0;
}

/// Whether the answer that is being given is the last one: the server goes, and no other request has come (a peer that
/// always has one more on its way is sent elsewhere in the last call). Connections of open sessions stay: over a new one the
/// peer would reach a server that does not know the session.
bool connection::ends_here() {
    if (!owner_.leaving()) return false;
    if (!owner_.in_last_call() && (in_.size() > 0 || has_unread())) return false;
    return carried_.empty() || owner_.draining() || !owner_.sessions().find(carried_);
}

bool connection::parse_some() {
    if (in_.size() == 0) return false;
    boost::system::error_code ec;
    const auto used = parser_->put(in_.data(), ec);
    in_.consume(used);
    if (phase_ == phase::head) head_size_ += used;
    if ((!ec || ec == bhttp::error::need_more) && is_head_too_large(bool(ec))) ec = bhttp::error::header_limit;
    if (ec && ec != bhttp::error::need_more) {
        refuse_syntax(ec);
        return false;
    }
    if (phase_ == phase::head && parser_->is_header_done()) on_head();
    if (phase_ == phase::body && parser_->is_done()) {
        start_answer();
        return true;
    }
    return used > 0 && !ec;
}

bool connection::is_head_too_large(bool incomplete) const {
    // The parser's own limit holds for what one put() sees, so a head that comes field by field would grow for ever.
    // A chunk's header and the trailer it takes only as a whole; they get the same room.
    const auto limit = owner_.options().max_header;
    if (phase_ != phase::head) return incomplete && in_.size() > limit;
    const auto& fields = parser_->get();
    return head_size_ + (parser_->is_header_done() ? 0 : in_.size()) > limit ||
           static_cast<std::size_t>(std::distance(fields.begin(), fields.end())) > k_max_fields;
}

void connection::on_head() {
    const auto& head = parser_->get();
    names_ = names_of(head);
    // HTTP/1.0 knows no chunks: what it means by them is answered, but not trusted any further.
    keep_alive_ = head.keep_alive() && (head.version() == 11 || !header_of(head, "Transfer-Encoding"));
    http10_ = head.version() == 10;
    head_only_ = head.method() == bhttp::verb::head;
    // Recognition is by a connection's first request, so a WebSocket can only begin there. A proxy that keeps connections sends
    // one over them too; a connection that ends without an answer makes it take a new one for such a request.
    if (!first_request_ && asks_for_websocket(head)) return linger();
    first_request_ = false;
    const bool has_body = !parser_->is_done();
    auto verdict = check_head(head, has_body, hosts_);
    ++turn_;
    phase_ = phase::body;
    since_ = clock::now();
    if (verdict.answer) return give_early(*verdict.answer, has_body);
    checked_ = std::move(verdict.request);
    parser_->eager(true);
    if (has_body && !http10_ && header_of(head, "Expect")) {
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        flush();
    }
}

std::string connection::announced_size() const {
    const auto length = header_of(parser_->get(), "Content-Length");
    return length ? shown(*length) + " bytes" : "more";
}

void connection::refuse_syntax(const boost::system::error_code& ec) {
    problem p{"invalid", "not a valid HTTP request", "request", "the syntax of RFC 9112", ec.message()};
    int status = 400;
    if (ec == bhttp::error::header_limit) {
        status = 431;
        p = {"too_large", "the head or the trailer of the request is too large", "head",
             sdk::concat("at most ", owner_.options().max_header, " bytes in ", k_max_fields, " fields"), "more"};
    } else if (ec == bhttp::error::body_limit) {
        status = 413;
        p = {"too_large", "the body of the request is too large", "body",
             sdk::concat("at most ", owner_.options().max_body, " bytes"), announced_size()};
    } else if (ec == bhttp::error::bad_version) {
        status = 505;
        p = {"unsupported", "unknown version of HTTP", "version", "HTTP/1.0 or HTTP/1.1", "another one"};
    }
    give_early({status, to_json(p), {}}, true);
}

void connection::give_early(const early_answer& answer, bool body_follows) {
    phase_ = phase::answer;
    if (body_follows || answer.close) keep_alive_ = false;  // its body will not be read
    const std::string_view type = answer.body.empty() ? std::string_view() : "application/problem+json";
    if (names_.id.empty()) names_.id = new_request_id();  // its head cannot be read
    reply(answer.status, type, problem_with_request_id(answer.body, names_.id), answer.extra);
}

void connection::start_answer() {
    phase_ = phase::answer;
    request_ = parser_->release();
    answer_request(shared_from_this());
}

void connection::reply(int status, std::string_view type, std::string_view content, std::string_view extra) {
    if (phase_ != phase::answer) return;
    if (keep_alive_ && ends_here()) keep_alive_ = false;
    append_head(out_,
                {status, type, loop_.date(), extra, names_.id, framing::length, content.size(), http10_, keep_alive_});
    if (!head_only_) out_ += content;
    finish_answer();
}

void connection::reply_problem(const problem_reply& p) {
    std::string extra;
    if (p.retry_after_s) extra = sdk::concat("Retry-After: ", p.retry_after_s, "\r\n");
    if (p.status == 401) extra += "WWW-Authenticate: Bearer\r\n";
    reply(p.status, "application/problem+json", problem_with_request_id(p.body, names_.id), extra);
}

void connection::reply_problem(const problem& p) {
    const int status = status_of_code(p.code);
    reply_problem({status, status == 429 ? 1u : 0u, to_json(p)});
}

void connection::stream_head(int status, std::string_view type) {
    if (phase_ != phase::answer) return;
    chunked_ = !http10_;
    if (!chunked_ || (keep_alive_ && ends_here())) keep_alive_ = false;
    append_head(out_, {status,
                       type,
                       loop_.date(),
                       {},
                       names_.id,
                       chunked_ ? framing::chunked : framing::until_close,
                       0,
                       http10_,
                       keep_alive_});
}

void connection::stream_head(int status, std::string_view type, std::string_view extra, std::uint64_t length) {
    if (phase_ != phase::answer) return;
    chunked_ = false;
    if (keep_alive_ && ends_here()) keep_alive_ = false;
    append_head(out_, {status, type, loop_.date(), extra, names_.id, framing::length, static_cast<std::size_t>(length),
                       http10_, keep_alive_});
}

void connection::stream(std::string_view data) {
    if (phase_ != phase::answer) return;
    if (chunked_) {
        append_chunk(out_, data);
    } else {
        out_ += data;
    }
}

void connection::stream_end() {
    if (phase_ != phase::answer) return;
    if (chunked_) out_ += k_last_chunk;
    finish_answer();
}

void connection::stream_end_here() {
    if (in_.size() == 0 && !has_unread()) keep_alive_ = false;  // else the requests behind it are answered first
    stream_end();
}

void connection::finish_answer() {
    pending_.reset();
    request_ = {};
    if (!keep_alive_) return linger();
    next_request();
    advance();
}

void connection::flush() {
    if (!writing_.empty() || out_.empty() || phase_ == phase::closed) return;
    writing_.swap(out_);
    written_ = 0;
    last_written_ = clock::now();
    write_more();
}

void connection::write_more() {
    socket_.async_write_some(asio::buffer(writing_.data() + written_, writing_.size() - written_),
                             [self = shared_from_this()](const boost::system::error_code& ec, std::size_t n) {
                                 if (self->phase_ == phase::closed) return;
                                 if (ec) return self->close();
                                 self->written_ += n;
                                 self->last_written_ = clock::now();
                                 if (self->written_ < self->writing_.size()) return self->write_more();
                                 self->on_written();
                             });
}

void connection::on_written() {
    writing_.clear();
    written_ = 0;
    if (writing_.capacity() > reply_inbox::k_limit) writing_ = {};
    flush();
    if (pending_) {
        const auto keep = pending_;
        keep->wrote(backlog());
    }
    if (phase_ == phase::linger && backlog() == 0) linger();
    if (reads_requests()) advance();
}

void connection::linger() {
    // Closing with unread input would make the kernel reset the connection and destroy the answer on its way.
    phase_ = phase::linger;
    since_ = clock::now();
    in_.consume(in_.size());
    flush();
    if (backlog() > 0) return arm_read();
    if (input_ended_) return close();
    boost::system::error_code ec;
    socket_.shutdown(asio::socket_base::shutdown_send, ec);
    arm_read();
}

void connection::end_if_idle() {
    if (phase_ == phase::head && in_.size() == 0 && !has_unread()) linger();
}

void connection::tick(time_point now) {
    const auto& limits = owner_.options();
    const auto waited = now - since_;
    if (!writing_.empty() && now - last_written_ > limits.write_timeout) return close();
    switch (phase_) {
        case phase::head:
            if (in_.size() == 0) {
                if (waited > (first_request_ ? limits.header_timeout : limits.idle_timeout)) end_if_idle();
            } else if (waited > limits.header_timeout) {
                give_early({408,
                            to_json({"timeout", "the head of the request came too slowly", "head",
                                     within(limits.header_timeout), "a part of it"}),
                            {}},
                           true);
                flush();
            }
            break;
        case phase::body:
            if (waited <= limits.body_timeout) break;
            give_early({408,
                        to_json({"timeout", "the body of the request came too slowly", "body",
                                 within(limits.body_timeout), "a part of it"}),
                        {}},
                       true);
            flush();
            break;
        case phase::answer:
            if (input_ended_ && waited > k_half_closed) return close();
            if (pending_) {
                const auto keep = pending_;
                keep->tick(now);
            }
            break;
        case phase::linger:
            if (backlog() == 0 && waited > k_linger) close();
            break;
        case phase::closed: break;
    }
}

void connection::close() {
    if (phase_ == phase::closed) return;
    phase_ = phase::closed;
    boost::system::error_code ec;
    socket_.close(ec);
    auto self = shared_from_this();
    if (auto what = std::move(pending_)) {
        what->gone([self] { self->loop_.post([self] { self->leave(); }); });
    } else {
        leave();
    }
}

void connection::leave() {
    lifetime_.ok();
    loop_.remove(this);
}

}  // namespace sigrun::http
