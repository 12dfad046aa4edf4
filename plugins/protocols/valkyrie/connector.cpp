#include "connector.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::valkyrie {

void connector::start(loop& on, resolver& names, const endpoint& where, std::uint64_t deadline, done_fn done) {
    // Two things may come first, the deadline or the addresses; the connector's done_ is used up by the
    // winner.
    auto self = std::shared_ptr<connector>(new connector(on, deadline, std::move(done)));
    names.resolve(where, deadline, [self](std::vector<address> found, std::string why) {
        auto task = [self, found = std::move(found), why = std::move(why)]() mutable {
            if (!self->done_) return;
            if (found.empty())
                return self->finish(-1, now_ns() < self->deadline_ ? SIGRUN_E_IO : SIGRUN_E_TIMEOUT, std::move(why));
            self->begin(std::move(found));
        };
        if (!self->loop_.post(task)) self->finish(-1, SIGRUN_E_CANCELLED, "the plugin is stopping");
    });
    on.post([self] {
        if (self->done_) self->loop_.arm(*self, self->deadline_);
    });
}

void connector::begin(std::vector<address> addresses) {
    addresses_ = std::move(addresses);
    loop_.arm(*this, deadline_);
    next();
}

void connector::next() {
    while (index_ < addresses_.size()) {
        const auto& to = addresses_[index_++];
        fd_ = socket(to.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd_ < 0) {
            why_ = sdk::concat("no socket: ", std::strerror(errno));
            continue;
        }
        if (connect(fd_, to.get(), to.size) == 0) {
            int connected = std::exchange(fd_, -1);
            return finish(connected, SIGRUN_OK, "");
        }
        if (errno == EINPROGRESS && loop_.watch(std::static_pointer_cast<connector>(shared_from_this()), fd_, EPOLLOUT))
            return;
        why_ = sdk::concat("connect: ", std::strerror(errno));
        close(std::exchange(fd_, -1));
    }
    finish(-1, SIGRUN_E_IO, why_);
}

void connector::on_events(std::uint32_t) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) {
        loop_.forget(*this, fd_);
        int connected = std::exchange(fd_, -1);
        return finish(connected, SIGRUN_OK, "");
    }
    why_ = sdk::concat("connect: ", std::strerror(error));
    drop();
    next();
}

void connector::on_deadline(std::uint64_t) {
    if (done_) finish(-1, SIGRUN_E_TIMEOUT, "connect: no answer before the deadline");
}

void connector::drop() {
    if (fd_ < 0) return;
    loop_.forget(*this, fd_);
    close(std::exchange(fd_, -1));
}

void connector::finish(int fd, sigrun_result result, std::string why) {
    drop();
    if (auto done = std::exchange(done_, nullptr)) done(fd, result, std::move(why));
}

}  // namespace sigrun::valkyrie
