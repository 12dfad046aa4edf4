#include "kernel/net/tls_pump.hpp"

#include "kernel/log/loggers.hpp"

#include <boost/asio/post.hpp>

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_record = 16 * 1024;
constexpr int k_turns = 16;  // of one connection before others have theirs

/// What is read goes on at once, so one buffer does for all connections of a thread.
std::array<char, k_record>& scratch() {
    static thread_local std::array<char, k_record> room;
    return room;
}

}  // namespace

result<std::shared_ptr<tls_pump>> tls_pump::make(boost::asio::io_context& loop, tls_connection over,
                                                 std::function<void(tls_pump&)> ended) {
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return make_problem(errc::io, std::string("TLS: no socket: ") + std::strerror(errno));
    auto made = std::make_shared<tls_pump>(loop, std::move(over), unique_fd(pair[0]), std::move(ended));
    made->outlet_.reset(pair[1]);
    return made;
}

tls_pump::tls_pump(boost::asio::io_context& loop, tls_connection over, unique_fd inner,
                   std::function<void(tls_pump&)> ended)
    : loop_(loop),
      over_(std::move(over)),
      inner_(std::move(inner)),
      net_(loop),
      local_(loop),
      timer_(loop),
      ended_(std::move(ended)) {}

void tls_pump::start() {
    boost::system::error_code ec;
    net_.watch.assign(over_.fd.get(), ec);
    if (!ec) local_.watch.assign(inner_.get(), ec);
    if (ec) return close();
    step();
}

void tls_pump::step() {
    if (!ended_) return;
    bool more = true;
    for (int turn = 0; more && ended_ && turn < k_turns; ++turn) {
        peer_wants_read_ = peer_wants_write_ = false;
        more = to_plugin();
        if (ended_) more |= to_peer();
    }
    if (!ended_) return;
    if (peer_ended_ && told_plugin_ && told_peer_) return close();
    if (plugin_ended_ && plugin_has_closed()) {
        if (told_peer_) return close();
        linger();
    }
    if (more) return boost::asio::post(loop_, [self = shared_from_this()] { self->step(); });
    if (peer_wants_read_) wait(net_, descriptor::wait_read);
    if (peer_wants_write_) wait(net_, descriptor::wait_write);
    if (lingering_) return;  // a socket that is closed over there is ready for everything, for ever
    if (!in_.empty()) wait(local_, descriptor::wait_write);
    // Also when there is no room for more: it tells of a plugin that closes.
    if (!plugin_ended_ && out_.empty())
        wait(local_, descriptor::wait_read);
    else
        wait(local_, descriptor::wait_error);
}

/// True if something moved and more may.
bool tls_pump::to_plugin() {
    if (in_.empty() && !peer_ended_ && !take_from_peer()) return false;
    if (!ended_) return false;
    while (!in_.empty()) {
        const auto n = ::send(inner_.get(), in_.bytes.data() + in_.taken, in_.bytes.size() - in_.taken,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            in_.taken += static_cast<std::size_t>(n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
        in_ = {};  // the plugin has closed: nobody wants it
        plugin_ended_ = true;
    }
    if (peer_ended_ && !told_plugin_) {
        ::shutdown(inner_.get(), SHUT_WR);
        told_plugin_ = true;
    }
    return !peer_ended_;
}

bool tls_pump::take_from_peer() {
    auto& room = scratch();
    ERR_clear_error();
    errno = 0;
    const int n = SSL_read(over_.session.get(), room.data(), static_cast<int>(room.size()));
    if (n > 0) {
        auto sent = ::send(inner_.get(), room.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) sent = 0;  // what it was is found out when the rest is sent
        in_.bytes.assign(room.data() + sent, static_cast<std::size_t>(n - sent));
        in_.taken = 0;
        return true;
    }
    if (broke(n)) return false;
    return peer_ended_;
}

bool tls_pump::to_peer() {
    if (out_.empty() && !plugin_ended_) {
        auto& room = scratch();
        const auto n = ::recv(inner_.get(), room.data(), room.size(), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return errno == EINTR;
        if (n <= 0) plugin_ended_ = true;
        if (n > 0 && !give_to_peer(room.data(), static_cast<std::size_t>(n))) return false;
    } else if (!out_.empty()) {
        auto left = std::exchange(out_, {});
        if (!give_to_peer(left.bytes.data() + left.taken, left.bytes.size() - left.taken)) return false;
    }
    if (plugin_ended_ && out_.empty() && !told_peer_) say_goodbye();
    return !plugin_ended_;
}

/// False: the rest is kept, or the connection is over.
bool tls_pump::give_to_peer(const char* bytes, std::size_t size) {
    while (size) {
        ERR_clear_error();
        errno = 0;
        const int n = SSL_write(over_.session.get(), bytes, static_cast<int>(size));
        if (n > 0) {
            bytes += n;
            size -= static_cast<std::size_t>(n);
            continue;
        }
        if (broke(n)) return false;
        out_.bytes.assign(bytes, size);
        out_.taken = 0;
        return false;
    }
    return true;
}

void tls_pump::say_goodbye() {
    ERR_clear_error();
    errno = 0;
    const int r = SSL_shutdown(over_.session.get());
    if (r < 0 && broke(r)) return;
    if (r < 0) return;  // it is tried again when there is room
    told_peer_ = true;
}

/// What a call of OpenSSL that moved nothing means; true: the connection is over.
bool tls_pump::broke(int result) {
    const int number = errno;
    switch (SSL_get_error(over_.session.get(), result)) {
        case SSL_ERROR_WANT_READ: peer_wants_read_ = true; return false;
        case SSL_ERROR_WANT_WRITE: peer_wants_write_ = true; return false;
        case SSL_ERROR_ZERO_RETURN: peer_ended_ = true; return false;
        default: break;
    }
    // An alert may be all that is ever said about a certificate the peer did not like: TLS 1.3 looks at it after the
    // handshake of the client is over.
    const bool alert = ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET;
    const auto why = tls_error_text(number ? std::strerror(number) : "without a word");
    if (alert)
        SIGRUN_LOG(logs::net, warning, "a peer ended a TLS connection: ", why);
    else
        SIGRUN_LOG(logs::net, debug, "a TLS connection broke: ", why);
    close();
    return true;
}

bool tls_pump::plugin_has_closed() const noexcept {
    pollfd p{inner_.get(), 0, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

void tls_pump::linger() {
    if (std::exchange(lingering_, true)) return;
    timer_.expires_after(k_linger);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) self->close();
    });
}

void tls_pump::wait(side& on, descriptor::wait_type what) {
    bool& waits = on.waits[what];
    if (waits) return;
    waits = true;
    on.watch.async_wait(what, [self = shared_from_this(), &waits](const boost::system::error_code& error) {
        waits = false;
        if (!error) self->step();
    });
}

void tls_pump::close() {
    auto ended = std::exchange(ended_, nullptr);
    if (!ended) return;
    timer_.cancel();
    if (net_.watch.is_open()) net_.watch.release();
    if (local_.watch.is_open()) local_.watch.release();
    over_.session.reset();
    over_.fd.reset();
    inner_.reset();
    ended(*this);
}

}  // namespace sigrun
