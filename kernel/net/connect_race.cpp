#include "kernel/net/connect_race.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

namespace sigrun {

connect_race::connect_race(boost::asio::io_context& loop, std::vector<socket_address> addresses, answer done)
    : loop_(loop), step_(loop), addresses_(std::move(addresses)), done_(std::move(done)) {}

void connect_race::start() { begin_next(); }

void connect_race::begin_next() {
    if (!done_ || next_ == addresses_.size()) return;
    const auto& where = addresses_[next_++];
    const auto self = shared_from_this();
    // Made here, because Asio would leave it open for programs that are started.
    unique_fd made(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made) return failed(where, std::strerror(errno));
    const auto at = trying_.emplace(trying_.end(), loop_);
    boost::system::error_code ec;
    at->assign({where.family(), 0}, made.get(), ec);
    if (ec) {
        trying_.erase(at);
        return failed(where, ec.message());
    }
    made.release();
    boost::asio::generic::stream_protocol::endpoint to(where.get(), where.size);
    at->async_connect(to, [self, at, where](const boost::system::error_code& error) {
        if (!self->done_) return;
        auto connected = std::move(*at);
        self->trying_.erase(at);
        if (error) return self->failed(where, error.message());
        boost::system::error_code ignored;
        unique_fd fd(connected.release(ignored));
        if (ignored) return self->failed(where, ignored.message());
        const int on = 1;
        if (where.family() != AF_UNIX) setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        self->give(winner{std::move(fd), where});
    });
    if (next_ == addresses_.size()) return;
    step_.expires_after(k_step);
    step_.async_wait([self](const boost::system::error_code& error) {
        if (!error) self->begin_next();
    });
}

void connect_race::failed(const socket_address& where, const std::string& why) {
    if (why_.empty()) why_ = where.text() + ": " + why;
    if (next_ < addresses_.size()) return begin_next();
    if (trying_.empty()) give(make_problem(errc::io, why_));
}

void connect_race::give(result<winner> outcome) {
    auto done = std::exchange(done_, nullptr);
    step_.cancel();
    trying_.clear();
    if (done) done(std::move(outcome));
}

void connect_race::cancel() {
    done_ = nullptr;
    step_.cancel();
    trying_.clear();
}

}  // namespace sigrun
