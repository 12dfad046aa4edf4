// The listener's part in TLS: what goes to a handshake, and what comes back from it.
#include "kernel/log/loggers.hpp"
#include "kernel/net/client_hello.hpp"
#include "kernel/serve/listener_impl.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

namespace sigrun {
/// To TLS with it, or away, if its first bytes or the policy say so. True: nothing more is to be done here.
bool listener::impl::turned_to_tls(waiting_list::iterator at, std::string_view first) {
    if (at->flags & (SIGRUN_ACCEPT_TLS | SIGRUN_ACCEPT_UNIX) || !guards.tls) return false;
    if (guards.tls->enabled()) {
        const auto verdict = recognise_client_hello(first);
        if (verdict == tls_verdict::need_more) return true;
        if (verdict == tls_verdict::yes) {
            ::epoll_ctl(epoll, EPOLL_CTL_DEL, at->fd, nullptr);
            newcomer n = std::move(*at);
            forget(at);
            unique_fd fd(std::exchange(n.fd, -1));
            const auto deadline = n.deadline;
            auto over = [box = shaken, n = std::move(n)](result<tls_accepted> outcome) {
                std::lock_guard lock(box->mutex);
                if (box->wake < 0) return;
                box->ready.push_back({n, std::move(outcome)});
                const std::uint64_t one = 1;
                [[maybe_unused]] auto told = ::write(box->wake, &one, sizeof one);
            };
            guards.tls->accept(std::move(fd), deadline, std::move(over));
            return true;
        }
    }
    if (!tls_required || (guards.who && guards.who->is_trusted(at->far))) return false;
    drop(at, meter.plain);
    return true;
}

void listener::impl::take_decrypted() {
    std::vector<decrypted> now;
    {
        std::lock_guard lock(shaken->mutex);
        now.swap(shaken->ready);
    }
    for (auto& each : now) {
        if (!each.outcome) {
            SIGRUN_LOG(logs::listener, debug, "no TLS with ", each.what.peer, ": ", each.outcome.error().text());
            meter.handshake.add();
            continue;
        }
        auto& n = each.what;
        n.fd = each.outcome->fd.release();
        n.flags = SIGRUN_ACCEPT_TLS;
        n.alpn = each.outcome->alpn;
        n.far.certificate = each.outcome->name;
        n.deadline = clock::system().now() + options.peek_deadline;
        n.seen = 0;
        watch(std::move(n));
    }
}

/// What clients may ask for, in the order in which protocols are asked.
void listener::impl::tell_protocols() {
    if (!guards.tls) return;
    std::vector<std::string> all;
    for (const auto& each : candidates) {
        std::string_view list = each.alpn;
        while (!list.empty()) {
            const auto comma = list.find(',');
            if (std::string one(list.substr(0, comma)); std::find(all.begin(), all.end(), one) == all.end())
                all.push_back(std::move(one));
            list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        }
    }
    // Who offers HTTP/2 and something else besides is a browser or curl, and HTTP/2 is gRPC here: they are better off with the other.
    std::stable_partition(all.begin(), all.end(), [](const std::string& name) { return name != "h2"; });
    guards.tls->set_protocols(std::move(all));
}

}  // namespace sigrun
