#include "kernel/net/dialling.hpp"

#include <boost/asio/post.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace sigrun {
namespace {

void set_port(socket_address& a, std::uint16_t port) {
    if (a.family() == AF_INET) reinterpret_cast<sockaddr_in&>(a.storage).sin_port = htons(port);
    if (a.family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(a.storage).sin6_port = htons(port);
}

}  // namespace

dialling::dialling(boost::asio::io_context& loop, std::shared_ptr<name_lookup> names, net_address where,
                   dial_target target, network::answer done)
    : loop_(loop),
      names_(std::move(names)),
      where_(std::move(where)),
      target_(std::move(target)),
      done_(std::move(done)),
      timer_(loop) {}

void dialling::start() {
    timer_.expires_at(target_.deadline);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error) return;
        self->give_up(make_problem(errc::timeout, "no connection to " + self->where_.text() + " before the deadline"));
    });
    look_up(where_);
}

void dialling::look_up(const net_address& where) {
    if (auto known = numeric_address(where); known.size) return connect({known});
    auto answered = [self = shared_from_this(), port = where.port](result<name_lookup::addresses> found) {
        boost::asio::post(self->loop_, [self, port, found = std::move(found)]() mutable {
            if (!self->done_) return;
            if (!found) return self->give(found.error());
            for (auto& each : *found) set_port(each, port);
            self->connect(interleave(*found));
        });
    };
    names_->ask(where.host, target_.deadline, std::move(answered));
}

void dialling::connect(std::vector<socket_address> addresses) {
    begun_ = std::chrono::steady_clock::now();
    auto over = [self = shared_from_this()](result<connect_race::winner> outcome) {
        self->race_.reset();
        if (!outcome) return self->give(outcome.error());
        self->connected(std::move(*outcome));
    };
    race_ = std::make_shared<connect_race>(loop_, std::move(addresses), std::move(over));
    const auto race = race_;  // the answer may come at once
    race->start();
}

void dialling::connected(connect_race::winner won) {
    dialled made;
    made.fd = std::move(won.fd);
    made.local = won.peer.family() == AF_UNIX;
    made.peer = won.peer.text();
    made.connect_time = std::chrono::steady_clock::now() - begun_;
    give(std::move(made));
}

void dialling::give_up(problem why) { give(std::move(why)); }

void dialling::give(result<dialled> outcome) {
    auto done = std::exchange(done_, nullptr);
    if (!done) return;
    timer_.cancel();
    if (auto race = std::exchange(race_, nullptr)) race->cancel();
    done(std::move(outcome));
}

}  // namespace sigrun
