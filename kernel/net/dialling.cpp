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
                   dial_request target, std::shared_ptr<const net_policy> policy, const dial_services& services,
                   network::answer done)
    : loop_(loop),
      names_(std::move(names)),
      where_(std::move(where)),
      target_(std::move(target)),
      policy_(std::move(policy)),
      services_(services),
      done_(std::move(done)),
      timer_(loop) {}

void dialling::start() {
    timer_.expires_at(target_.deadline);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error) return;
        self->give_up(make_problem(errc::timeout, "no connection to " + self->where_.text() + " before the deadline"));
    });
    if (target_.tls) {
        auto own = policy_->tls.overridden_by(target_.options);
        if (!own) return give(own.error());
        tls_ = std::move(*own);
    }
    auto proxy = policy_->proxies.proxy_for(where_, target_.tls);
    if (!proxy) return give(proxy.error());
    proxy_ = std::move(*proxy);
    look_up(proxy_ ? proxy_->where : where_);
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
    made_.local = won.peer.family() == AF_UNIX;
    made_.peer = won.peer.text();
    if (!proxy_) return reached(std::move(won.fd));
    auto over = [self = shared_from_this()](result<unique_fd> fd) {
        self->tunnel_.reset();
        if (!fd) return self->give(fd.error());
        self->reached(std::move(*fd));
    };
    tunnel_ = std::make_shared<proxy_tunnel>(loop_, std::move(won.fd), where_, *proxy_, std::move(over));
    const auto tunnel = tunnel_;
    tunnel->start();
}

void dialling::reached(unique_fd fd) {
    if (!target_.tls) return finish(std::move(fd));
    auto context = services_.context_for(tls_);
    if (!context) return give(context.error());
    const auto& name = tls_.server_name.empty() ? where_.host : tls_.server_name;
    auto session = make_client_session(*context, name, target_.alpn);
    if (!session) return give(session.error());
    auto over = [self = shared_from_this()](result<tls_connection> made) {
        self->handshake_.reset();
        if (!made) {
            auto why = made.error();
            why.message = self->where_.text() + ": " + why.message;
            return self->give(std::move(why));
        }
        self->encrypted(std::move(*made));
    };
    handshake_ = std::make_shared<tls_handshake>(loop_, std::move(fd), std::move(*session), !target_.alpn.empty(),
                                                 std::move(over));
    const auto handshake = handshake_;
    handshake->start(target_.deadline);
}

void dialling::encrypted(tls_connection over) {
    made_.tls = true;
    made_.alpn = over.alpn;
    auto outlet = services_.carry(std::move(over));
    if (!outlet) return give(outlet.error());
    finish(std::move(*outlet));
}

void dialling::finish(unique_fd fd) {
    made_.fd = std::move(fd);
    made_.connect_time = std::chrono::steady_clock::now() - begun_;
    give(std::move(made_));
}

void dialling::give_up(problem why) { give(std::move(why)); }

void dialling::give(result<dialled> outcome) {
    auto done = std::exchange(done_, nullptr);
    if (!done) return;
    timer_.cancel();
    if (auto race = std::exchange(race_, nullptr)) race->cancel();
    if (auto tunnel = std::exchange(tunnel_, nullptr)) tunnel->cancel();
    if (auto handshake = std::exchange(handshake_, nullptr)) handshake->cancel();
    done(std::move(outcome));
}

}  // namespace sigrun
