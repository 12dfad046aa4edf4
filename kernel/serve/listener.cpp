#include "kernel/serve/listener.hpp"

#include "kernel/log/loggers.hpp"
#include "kernel/net/socket_address.hpp"
#include "kernel/serve/listener_impl.hpp"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::uint64_t k_wake = 0;  // epoll data of the stop event; 1.. = listening sockets; sessions follow
constexpr std::uint64_t k_first_session = 1 << 20;
constexpr int k_accepts_per_turn = 64;                    // so that one busy socket does not starve waiting connections
constexpr auto k_pause = std::chrono::milliseconds(100);  // without descriptors, before accept is tried again
constexpr auto k_exchange_time = std::chrono::seconds(2);  // for the thread to leave the plugin it may be in

std::atomic<std::uint64_t> last_session{k_first_session};

bool has_name(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (list.substr(0, comma) == name) return true;
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return false;
}

constexpr std::size_t k_max_candidates = 64;  // bits of refused_by

bool takes_connections(const sigrun_protocol* table) {
    return SIGRUN_HAS(table, serve) && SIGRUN_HAS(table->serve, recognise) && SIGRUN_HAS(table->serve, on_accept);
}

}  // namespace

void listener::impl::exchange_waiting() {
    std::uint64_t count = 0;
    [[maybe_unused]] auto n = ::read(wake, &count, sizeof count);
    std::vector<std::shared_ptr<exchange>> now;
    {
        std::lock_guard lock(mutex);
        now.swap(exchanges);
    }
    for (const auto& each : now) {
        put_in(*each);
        std::lock_guard lock(mutex);
        each->done = true;
        // Whoever waits looks at how many hold `old`: nothing of it may be left here when it is told.
        each->old.reset();
        each->now.reset();
    }
    exchanged.notify_all();
}

/// On the listener's thread, between two looks, so that no connection meets one version's table and the other's instance.
void listener::impl::put_in(const exchange& what) {
    if (!what.old) {
        if (auto made = candidate_of(what.now); made && candidates.size() < k_max_candidates)
            candidates.push_back(std::move(*made));
        sort_candidates();
    } else {
        const auto at = std::find_if(candidates.begin(), candidates.end(),
                                     [&](const candidate& c) { return c.plugin == what.old; });
        if (at == candidates.end()) return;
        if (what.now) {
            at->plugin = what.now;
            const auto* table = what.now->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
            at->serve = table->serve;
            at->alpn = sdk::view(table->alpn);
        } else {
            candidates.erase(at);
        }
        tell_protocols();
    }
    for (auto it = waiting.begin(); it != waiting.end();) {
        auto one = it++;  // it may be handed over or closed
        // Another version may know what this one did not, and places may have moved; no event would come for bytes that
        // were seen.
        one->refused_by = 0;
        if (std::exchange(one->seen, 0)) look(one, nullptr);
    }
}

std::optional<listener::impl::candidate> listener::impl::candidate_of(const std::shared_ptr<instance>& plugin) {
    const auto* table = plugin->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (!takes_connections(table)) return {};
    std::string name(sdk::view(table->name));
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), name) == options.only.end())
        return {};
    metric_labels label{{"protocol", name}};
    return candidate{
        plugin,
        table->serve,
        name,
        std::string(sdk::view(table->alpn)),
        registry.get_counter("sigrun_connections_accepted_total", "Connections handed to a protocol.", label),
        registry.get_gauge("sigrun_connections_open", "Connections a protocol has.", label)};
}

void listener::impl::sort_candidates() {
    auto rank = [&](const candidate& c) {
        return std::find(options.protocol_order.begin(), options.protocol_order.end(), c.name) -
               options.protocol_order.begin();
    };
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](const candidate& a, const candidate& b) { return rank(a) < rank(b); });
    tell_protocols();
}

void listener::impl::choose(const std::vector<std::shared_ptr<instance>>& protocols) {
    for (const auto& each : protocols)
        if (auto made = candidate_of(each); made && candidates.size() < k_max_candidates)
            candidates.push_back(std::move(*made));
    sort_candidates();
}

void listener::impl::run() {
    epoll_event events[128];
    while (!stopping) {
        int n = ::epoll_wait(epoll, events, 128, timeout_ms());
        if (n < 0 && errno != EINTR) {
            SIGRUN_LOG(logs::listener, error, "epoll_wait: ", std::string_view(std::strerror(errno)));
            return;
        }
        bool told = false;
        for (int i = 0; i < n; ++i) {
            const auto who = events[i].data.u64;
            if (who == k_wake) {
                told = true;
                continue;
            }
            if (who < k_first_session) {
                accept_some(static_cast<std::size_t>(who - 1));
                continue;
            }
            // Gone when a flood pushed it out earlier in this turn.
            if (auto found = by_session.find(who); found != by_session.end())
                look(found->second, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? &meter.left : nullptr);
        }
        if (told) exchange_waiting();
        if (told) take_decrypted();
        expire();
        if (paused && clock::system().now() >= paused_until) resume_accepting();
        meter.waiting.set(static_cast<double>(waiting.size()));
    }
}

int listener::impl::timeout_ms() const {
    if (waiting.empty() && !paused) return -1;
    auto until = waiting.empty() ? paused_until : waiting.front().deadline;
    if (paused) until = std::min(until, paused_until);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::system().now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void listener::impl::accept_some(std::size_t index) {
    for (int i = 0; i < k_accepts_per_turn && !paused; ++i) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        int fd =
            ::accept4(sockets[index].fd(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(fd, sockets[index], peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            shortage(errno);
            if (!waiting.empty()) drop(waiting.begin(), meter.flooded);
        } else if (errno == EAGAIN) {
            return;
        }
        // Anything else (ECONNABORTED, EINTR, network errors) is about one connection that is gone.
    }
}

/// The sockets stay readable while nothing can be accepted; watching them would spin.
void listener::impl::shortage(int error) {
    const auto now = clock::system().now();
    if (now - paused_until > k_pause * 10)  // not once more for the same shortage
        SIGRUN_LOG(logs::listener, warning, "cannot accept: ", std::string_view(std::strerror(error)),
                   "; raise the limit of open files");
    meter.shortages.add();
    paused = true;
    paused_until = now + k_pause;
    for (const auto& s : sockets) ::epoll_ctl(epoll, EPOLL_CTL_DEL, s.fd(), nullptr);
}

void listener::impl::resume_accepting() {
    paused = false;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.u64 = i + 1;
        ::epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i].fd(), &e);
    }
}

void listener::impl::admit(int fd, const listening_socket& from, const sockaddr_storage& peer) {
    newcomer n{fd, next_session(), 0, 0, {}, from.bound(), clock::system().now() + options.peek_deadline};
    if (from.is_unix()) {
        ucred who{};
        socklen_t size = sizeof who;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
            ::close(fd);
            return;
        }
        n.flags = SIGRUN_ACCEPT_UNIX;
        n.uid = who.uid;
        n.peer = "unix";
        n.far = {true, false, who.uid, {}};
    } else {
        n.peer = address_text(&peer);
        socket_address far;
        far.storage = peer;
        n.far.loopback = far.is_loopback();
        if (const auto at = parse_net_address(n.peer)) n.far.address = at->host;
        sockaddr_storage local{};
        socklen_t size = sizeof local;
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0) n.local = address_text(&local);
    }
    watch(std::move(n));
}

/// A connection waits for its first bytes.
void listener::impl::watch(newcomer n) {
    while (waiting.size() >= options.max_waiting) drop(waiting.begin(), meter.flooded);
    auto at = waiting.insert(waiting.end(), std::move(n));
    by_session.emplace(at->session, at);
    epoll_event e{};
    e.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    e.data.u64 = at->session;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, at->fd, &e) != 0) drop(at, meter.flooded);
}

/// Asks the protocols about what has arrived. is_last_look: no more bytes will come, or there is no more
/// time.
void listener::impl::look(waiting_list::iterator at, counter* last) {
    ssize_t n = ::recv(at->fd, peeked.data(), peeked.size(), MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        n = 0;
    else if (n <= 0)
        return drop(at, meter.left);
    if (n == 0) {
        if (last) drop(at, *last);
        return;
    }
    const auto size = static_cast<std::size_t>(n);
    if (size == at->seen && !last) return;
    const auto session = at->session;
    at->seen = size;
    if (turned_to_tls(at, {peeked.data(), size})) {
        // One that waits for the rest of a ClientHello is still there; at the last look it has had its time.
        if (last && by_session.contains(session)) drop(at, *last);
        return;
    }
    const bool final = last || size >= options.peek_limit;
    candidate* fallback = nullptr;
    bool somebody_waits = false;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (at->refused_by >> i & 1) continue;
        auto& c = candidates[i];
        if (!at->alpn.empty() && !has_name(c.alpn, at->alpn)) continue;
        auto verdict = c.serve->recognise(c.plugin->abi(), {peeked.data(), size}, at->flags);
        if (verdict == SIGRUN_OK) {
            if (!somebody_waits) return hand_over(at, c);
            if (!fallback) fallback = &c;
        } else if (verdict == SIGRUN_NEED_MORE) {
            somebody_waits = true;
        } else {
            at->refused_by |= 1ull << i;
        }
    }
    if (somebody_waits && !final) return;
    if (fallback) return hand_over(at, *fallback);
    drop(at, somebody_waits && last && size < options.peek_limit ? *last : meter.unrecognised);
}

void listener::impl::hand_over(waiting_list::iterator at, candidate& winner) {
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, at->fd, nullptr);
    newcomer n = std::move(*at);
    forget(at);
    sigrun_accept accept{sizeof accept,   n.fd, n.flags, n.uid, n.session, sdk::str(n.peer), sdk::str(n.local),
                         sdk::str(n.alpn)};
    sigrun_result taken = SIGRUN_OK;
    winner.open.add(1);
    if (guards.who) guards.who->opened(n.session, std::move(n.far));
    // The callback may outlive this listener, so it holds nothing of it; the gauge lives as long as the registry, and the
    // gate as the plugins.
    host.call_async(
        *winner.plugin,
        [&](sigrun_op lifetime) { return taken = winner.serve->on_accept(winner.plugin->abi(), &accept, lifetime); },
        [open = winner.open, who = guards.who, session = n.session](const result<buffer_ref>&) mutable {
            open.add(-1);
            if (who) who->closed(session);
        });
    if (taken < 0) {
        SIGRUN_LOG(logs::listener, debug, winner.name, " refused a connection from ", n.peer, " with result ", taken);
        ::close(n.fd);
        meter.refused.add();
    } else {
        winner.accepted.add();
    }
}

void listener::impl::drop(waiting_list::iterator at, counter& why) {
    SIGRUN_LOG(logs::listener, debug, "closing the connection from ", at->peer, " after ", at->seen, " bytes");
    ::close(at->fd);
    why.add();
    forget(at);
}

void listener::impl::forget(waiting_list::iterator at) {
    by_session.erase(at->session);
    waiting.erase(at);
}

void listener::impl::expire() {
    const auto now = clock::system().now();
    while (!waiting.empty() && waiting.front().deadline <= now) look(waiting.begin(), &meter.timed_out);
}

listener::listener(plugin_host& host, metrics& metrics) : impl_(std::make_unique<impl>(host, metrics)) {}
listener::~listener() { stop(); }

void listener::set_guards(listener_guards guards) noexcept { impl_->guards = guards; }
void listener::require_tls(bool required) noexcept { impl_->tls_required = required; }

result<void> listener::start(const listener_options& options) {
    return start(options, impl_->host.instances(SIGRUN_KIND_PROTOCOL));
}

result<void> listener::start(const listener_options& options, const std::vector<std::shared_ptr<instance>>& protocols) {
    auto& i = *impl_;
    if (i.epoll >= 0 || i.stopping) return make_problem(errc::conflict, "the listener was started before");
    std::vector<listening_socket> sockets;
    for (const auto& address : options.addresses) {
        SIGRUN_TRY(opened, listening_socket::open(address));
        std::move(opened.begin(), opened.end(), std::back_inserter(sockets));
    }
    i.options = options;
    i.peeked.resize(std::max<std::size_t>(options.peek_limit, 1));
    i.choose(protocols);
    i.epoll = ::epoll_create1(EPOLL_CLOEXEC);
    i.wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (i.epoll < 0 || i.wake < 0) return make_problem(errc::io, std::string("epoll: ") + std::strerror(errno));
    i.sockets = std::move(sockets);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = k_wake;
    ::epoll_ctl(i.epoll, EPOLL_CTL_ADD, i.wake, &e);
    i.resume_accepting();
    {
        std::lock_guard lock(i.mutex);
        i.listening = true;
    }
    {
        std::lock_guard lock(i.shaken->mutex);
        i.shaken->wake = i.wake;
    }
    i.thread = std::thread([&i] { i.run(); });
    return {};
}

bool listener::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    auto& i = *impl_;
    if (now && !takes_connections(now->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL))) return true;
    auto what = std::make_shared<impl::exchange>(impl::exchange{old, now, false});
    std::unique_lock lock(i.mutex);
    if (!i.listening) return true;
    i.exchanges.push_back(what);
    const std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(i.wake, &one, sizeof one);
    return i.exchanged.wait_for(lock, k_exchange_time, [&] { return what->done || !i.listening; });
}

std::vector<std::string> listener::bound() const {
    std::vector<std::string> out;
    for (const auto& s : impl_->sockets) out.push_back(s.bound());
    return out;
}

void listener::stop() {
    auto& i = *impl_;
    i.stopping = true;
    if (i.thread.joinable()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto n = ::write(i.wake, &one, sizeof one);
        i.thread.join();
    }
    {
        std::lock_guard lock(i.mutex);
        i.listening = false;
        i.exchanges.clear();
    }
    i.exchanged.notify_all();
    {
        std::lock_guard lock(i.shaken->mutex);
        i.shaken->wake = -1;
        i.shaken->ready.clear();
    }
    for (const auto& n : i.waiting) ::close(n.fd);
    i.waiting.clear();
    i.by_session.clear();
    i.sockets.clear();
    i.candidates.clear();
    if (i.epoll >= 0) ::close(std::exchange(i.epoll, -1));
    if (i.wake >= 0) ::close(std::exchange(i.wake, -1));
}

std::uint64_t listener::next_session() noexcept { return last_session.fetch_add(1, std::memory_order_relaxed) + 1; }

}  // namespace sigrun
