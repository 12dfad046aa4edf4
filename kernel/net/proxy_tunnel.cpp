#include "kernel/net/proxy_tunnel.hpp"

#include "kernel/net/proxy_reply.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

std::string request_for(const net_address& target, const proxy_server& proxy) {
    const auto to = target.text();
    std::string out = "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n";
    if (!proxy.authorization.empty()) out += "Proxy-Authorization: " + proxy.authorization + "\r\n";
    return out + "\r\n";
}

}  // namespace

proxy_tunnel::proxy_tunnel(boost::asio::io_context& loop, unique_fd fd, const net_address& target,
                           const proxy_server& proxy, answer done)
    : fd_(std::move(fd)),
      watch_(loop),
      name_(proxy.where.text()),
      request_(request_for(target, proxy)),
      done_(std::move(done)) {}

void proxy_tunnel::start() {
    boost::system::error_code ec;
    watch_.assign(fd_.get(), ec);
    if (ec) return give(failed(ec.message()));
    send();
}

void proxy_tunnel::send() {
    while (done_ && !request_.empty()) {
        const auto n = ::send(fd_.get(), request_.data(), request_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            request_.erase(0, static_cast<std::size_t>(n));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return give(failed(std::strerror(errno)));
        return watch_.async_wait(boost::asio::posix::descriptor_base::wait_write,
                                 [self = shared_from_this()](const boost::system::error_code& error) {
                                     if (!error) self->send();
                                 });
    }
    read();
}

void proxy_tunnel::read() {
    std::array<char, 4096> room;
    while (done_) {
        // Looked at first: what follows the head belongs to whoever uses the tunnel.
        const auto n = ::recv(fd_.get(), room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return watch_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                                     [self = shared_from_this()](const boost::system::error_code& error) {
                                         if (!error) self->read();
                                     });
        if (n <= 0) return give(failed(n ? std::strerror(errno) : "it closed the connection"));
        const auto before = head_.size();
        head_.append(room.data(), static_cast<std::size_t>(n));
        const auto reply = parse_proxy_reply(head_);
        if (reply.state == proxy_reply::malformed) return give(failed("its answer is not HTTP"));
        const auto mine = reply.state == proxy_reply::complete ? reply.size - before : static_cast<std::size_t>(n);
        [[maybe_unused]] const auto taken = ::recv(fd_.get(), room.data(), mine, MSG_DONTWAIT);
        if (reply.state == proxy_reply::need_more) continue;
        if (reply.status >= 200 && reply.status < 300) return give(std::move(fd_));
        auto why = failed("it answered " + std::to_string(reply.status) + " " + reply.reason);
        if (reply.status == 403 || reply.status == 407) why.code = errc::forbidden;
        return give(std::move(why));
    }
}

problem proxy_tunnel::failed(const std::string& why) const {
    return make_problem(errc::io, "the proxy " + name_ + ": " + why);
}

void proxy_tunnel::give(result<unique_fd> outcome) {
    auto done = std::exchange(done_, nullptr);
    if (!done) return;
    cancel();
    done(std::move(outcome));
}

void proxy_tunnel::cancel() {
    done_ = nullptr;
    if (watch_.is_open()) watch_.release();
    fd_.reset();
}

}  // namespace sigrun
