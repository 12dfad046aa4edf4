#include "serve/server.hpp"

#include "serve/connection.hpp"
#include "serve/session.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace sigrun::http {

server::server(const sdk::host& host, const server_options& options, std::vector<std::unique_ptr<loop>>& loops)
    : host_(host),
      calls_(host.service(SIGRUN_SVC_CALL, &sigrun_svc_call::end)),
      links_(host.service(SIGRUN_SVC_LINK, &sigrun_svc_link::adopt)),
      options_(options),
      loops_(loops) {}

sigrun_result server::on_accept(const sigrun_accept& accept, sigrun_op lifetime) {
    if (!calls_) return SIGRUN_E_UNSUPPORTED;
    if (draining_.load()) return SIGRUN_E_CANCELLED;
    if (connections_.fetch_add(1) >= options().max_connections) {
        connections_.fetch_sub(1);
        return SIGRUN_E_BUSY;
    }
    if (!(accept.flags & SIGRUN_ACCEPT_UNIX)) {
        const int on = 1;
        setsockopt(accept.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    loop& where = *loops_[next_loop_.fetch_add(1) % loops_.size()];
    std::shared_ptr<connection> made;
    try {
        made = std::make_shared<connection>(*this, where, accept);
    } catch (...) {
        connections_.fetch_sub(1);
        throw;
    }
    auto op = std::make_shared<sdk::op>(host_, lifetime);
    where.post([made, op] { made->begin(std::move(*op)); });
    return SIGRUN_OK;
}

namespace {

template <class What, class Do>
void each(std::vector<std::unique_ptr<loop>>& loops, Do what) {
    for (const auto& l : loops)
        l->post([raw = l.get(), what] {
            raw->for_each([what](const std::shared_ptr<ticking>& member) {
                if (auto* one = dynamic_cast<What*>(member.get())) what(*one);
            });
        });
}

}  // namespace

void server::drain() {
    draining_.store(true);
    each<connection>(loops_, [](connection& c) { c.end_if_idle(); });
}

void server::retire() {
    retiring_.store(true);
    each<session>(loops_, [](session& s) { s.say_reconnect(); });
}

void server::last_call() {
    last_call_.store(true);
    each<session>(loops_, [](session& s) { s.end_for_good(); });
    each<connection>(loops_, [](connection& c) { c.end_if_idle(); });
}

}  // namespace sigrun::http
