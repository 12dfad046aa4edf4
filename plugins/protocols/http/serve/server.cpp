#include "serve/server.hpp"

#include "serve/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace sigrun::http {

server::server(const sdk::host& host, const server_options& options, std::vector<std::unique_ptr<loop>>& loops)
    : host_(host),
      calls_(host.service<sigrun_svc_call>(SIGRUN_SVC_CALL)),
      links_(host.service<sigrun_svc_link>(SIGRUN_SVC_LINK)),
      options_(options),
      loops_(loops) {}

sigrun_result server::on_accept(const sigrun_accept& accept, sigrun_op lifetime) {
    if (!calls_) return SIGRUN_E_UNSUPPORTED;
    if (draining_.load()) return SIGRUN_E_CANCELLED;
    if (connections_.fetch_add(1) >= options_.max_connections) {
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

void server::finish_soon() {
    draining_.store(true);
    for (const auto& l : loops_)
        l->post([raw = l.get()] {
            raw->for_each([](const std::shared_ptr<ticking>& member) {
                if (auto* c = dynamic_cast<connection*>(member.get())) c->finish_soon();
            });
        });
}

}  // namespace sigrun::http
