#include "websocket_plugin.hpp"

#include "connection.hpp"
#include "dial/dialler.hpp"
#include "serve/newcomer.hpp"
#include "serve/recognise.hpp"

#include <sigrun/cpp/link_ops.hpp>
#include <sigrun/cpp/plugin.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <condition_variable>

namespace sigrun::websocket {
namespace {

constexpr auto k_goodbye = std::chrono::seconds(3);

websocket_plugin& self(sigrun_instance* instance) noexcept { return sdk::self<websocket_plugin>(instance); }

constexpr sigrun_serve k_serve{
    sizeof(sigrun_serve),
    0,
    [](sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept -> sigrun_result {
        return recognise(sdk::view(first));
    },
    [](sigrun_instance* i, const sigrun_accept* accepted, sigrun_op lifetime) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).accept(*accepted, lifetime); });
    },
    nullptr,  // handoff: connections stay with the generation that took them
    nullptr,
    [](sigrun_instance* i, std::uint64_t deadline, sigrun_op done) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).retire(deadline, done); });
    }};

constexpr sigrun_dial k_dial{sizeof(sigrun_dial), 0,
                             [](sigrun_instance* i, const sigrun_endpoint* where, std::uint64_t deadline,
                                sigrun_op op) noexcept -> sigrun_result {
                                 return sdk::guarded(nullptr, [&] { return self(i).detect(*where, deadline, op); });
                             },
                             [](sigrun_instance* i, const sigrun_endpoint* where, const sigrun_sink* frames,
                                sigrun_op op, sigrun_link** link) noexcept -> sigrun_result {
                                 return sdk::guarded(nullptr, [&] { return self(i).open(*where, *frames, op, link); });
                             }};

constexpr sigrun_protocol k_table{sizeof(sigrun_protocol),
                                  0,
                                  sdk::str("websocket"),
                                  sdk::str("ws,wss,ws+unix"),
                                  sdk::str("http/1.1"),
                                  &k_serve,
                                  &k_dial,
                                  &sdk::link_ops<sigrun_link>};

settings read_settings(const sdk::config_reader& config) {
    settings s;
    s.connect_timeout = config.duration("connect_timeout");
    s.handshake_timeout = config.duration("handshake_timeout");
    s.idle_timeout = config.duration("idle_timeout");
    s.message_timeout = config.duration("message_timeout");
    s.write_timeout = config.duration("write_timeout");
    s.ping_interval = config.duration("ping_interval");
    s.pong_timeout = config.duration("pong_timeout");
    s.max_connections = static_cast<std::size_t>(config.integer("max_connections"));
    s.max_calls = static_cast<std::size_t>(config.integer("max_calls"));
    s.max_header = static_cast<std::size_t>(config.integer("max_header"));
    s.max_message = static_cast<std::size_t>(config.integer("max_message"));
    s.max_output = static_cast<std::size_t>(config.integer("max_output"));
    const auto deflate = config.text("compression");
    s.deflate = deflate == "off" ? compression::off : deflate == "offer" ? compression::offer : compression::accept;
    s.allowed_hosts = config.list("allowed_hosts");
    return s;
}

counters make_counters(const sdk::host& host) {
    counters c;
    c.service = host.service(SIGRUN_SVC_METRIC, &sigrun_svc_metric::add);
    if (!c.service) return c;
    auto make = [&](std::string_view name, std::string_view help) {
        return c.service->counter(host.abi(), sdk::str(name), sdk::str(help), nullptr, 0);
    };
    c.refused_connections =
        make("sigrun_websocket_connections_refused_total", "Connections refused because max_connections are open.");
    c.refused_upgrades =
        make("sigrun_websocket_upgrades_refused_total", "Requests for a WebSocket that were answered with an error.");
    c.protocol_errors =
        make("sigrun_websocket_protocol_errors_total", "Connections ended because the peer broke the protocol.");
    c.silent_peers = make("sigrun_websocket_silent_peers_total", "Connections ended because a ping had no answer.");
    return c;
}

/// Dialling that cannot begin completes the operation, so that its reason reaches people: a result alone has no text.
template <class Begin>
sigrun_result dialled(const sdk::host& host, sigrun_op op, const Begin& begin) {
    try {
        begin();
    } catch (const sdk::failure& e) {
        host.complete_text(op, e.code(), e.what());
    }
    return SIGRUN_PENDING;
}

time_point at(std::uint64_t ns) { return time_point(std::chrono::nanoseconds(ns)); }

}  // namespace

websocket_plugin::websocket_plugin(sdk::host host, const sdk::config_reader& config)
    : shared_(std::make_shared<core>(host, read_settings(config))) {
    shared_->calls = host.service(SIGRUN_SVC_CALL, &sigrun_svc_call::end);
    shared_->links = host.service(SIGRUN_SVC_LINK, &sigrun_svc_link::adopt);
    if (host.service(SIGRUN_SVC_NET, &sigrun_svc_net::cancel)) dials_.emplace(host);
    shared_->numbers = make_counters(host);
    const auto threads = config.integer("threads");
    for (std::int64_t i = 0; i < threads; ++i) loops_.push_back(std::make_unique<loop>(host, sdk::concat("ws/", i)));
}

websocket_plugin::~websocket_plugin() {
    // Everything is told to end; what the host must confirm (ended calls, closed links) gets a moment to do so.
    running_ = false;
    if (dials_) dials_->end();
    for (const auto& l : loops_) l->shut_all();
    const auto until = clock::now() + k_goodbye;
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while ((shared_->connections || shared_->open_calls) && clock::now() < until)
        never.wait_for(lock, std::chrono::milliseconds(2));
    lock.unlock();
    if (shared_->open_calls)
        shared_->host.log(SIGRUN_LOG_ERROR, "websocket: the host still holds ", shared_->open_calls.load(), " calls");
    loops_.clear();
}

const void* websocket_plugin::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_PROTOCOL ? &k_table : nullptr;
}

void websocket_plugin::start() {
    for (const auto& l : loops_) l->start();
    running_ = true;
}

bool websocket_plugin::reconfigure(const sdk::config_reader& config) {
    next_ = read_settings(config);
    return true;
}

void websocket_plugin::commit() {
    if (next_) shared_->options.set(std::move(*next_));
    next_.reset();
}

void websocket_plugin::drain(std::uint64_t deadline_ns, sdk::op done) {
    shared_->draining = true;
    if (!running_) return done.ok();
    depart(departure::manner::drain, deadline_ns, std::move(done));
}

sigrun_result websocket_plugin::retire(std::uint64_t deadline_ns, sigrun_op token) {
    if (shared_->retiring.exchange(true)) return SIGRUN_E_EXISTS;
    sdk::op done(shared_->host, token);
    if (running_)
        depart(departure::manner::retire, deadline_ns, std::move(done));
    else
        done.ok();
    return SIGRUN_OK;
}

void websocket_plugin::depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done) {
    std::make_shared<departure>(shared_, loops_, dials_ ? &*dials_ : nullptr, how, at(deadline_ns), std::move(done))
        ->begin();
}

std::shared_ptr<void> websocket_plugin::take_seat() {
    if (shared_->accepted.fetch_add(1) >= shared_->options.now().max_connections) {
        --shared_->accepted;
        return nullptr;
    }
    return {shared_.get(), [shared = shared_](void*) { --shared->accepted; }};
}

/// The descriptor stays the host's, which closes it.
void websocket_plugin::turn_away(int fd) noexcept {
    shared_->numbers.add(shared_->numbers.refused_connections);
    char unread[4096];  // closing a socket with unread bytes would reset it before the answer is read
    [[maybe_unused]] const auto got = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    constexpr std::string_view k_busy =
        "HTTP/1.1 503 Service Unavailable\r\nServer: Sigrun/0.1\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    [[maybe_unused]] const auto sent = send(fd, k_busy.data(), k_busy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

sigrun_result websocket_plugin::accept(const sigrun_accept& accepted, sigrun_op lifetime) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    if (!shared_->calls || !shared_->links) return SIGRUN_E_UNSUPPORTED;  // a host that only dials
    auto seat = take_seat();
    if (!seat) {
        turn_away(accepted.fd);
        return SIGRUN_E_BUSY;
    }
    int family = 0;
    socklen_t size = sizeof family;
    if (getsockopt(accepted.fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return SIGRUN_E_IO;
    if (family != AF_UNIX) {
        const int on = 1;
        setsockopt(accepted.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    origin from;
    from.side = role::accepted;
    from.session = accepted.session;
    from.seat = std::move(seat);
    if (accepted.flags & SIGRUN_ACCEPT_UNIX) from.auth = sdk::concat("uid ", accepted.uid);
    auto& on = next_loop();
    const sdk::host_rule hosts{family != AF_UNIX && on_loopback(accepted.fd), shared_->options.now().allowed_hosts};
    byte_stream::socket_type socket(on.context());
    boost::system::error_code ec;
    socket.assign(asio::generic::stream_protocol(family, 0), accepted.fd, ec);
    if (ec) return SIGRUN_E_IO;
    // From here on the descriptor is this plugin's, whatever happens.
    from.lifetime = sdk::op(shared_->host, lifetime);
    auto made = std::make_shared<newcomer>(shared_, on, std::move(socket), std::move(from), hosts);
    on.post([made] { made->begin(); });
    return SIGRUN_OK;
}

void websocket_plugin::check_dial(const sigrun_endpoint& where) const {
    if (!running_ || shared_->draining) throw sdk::failure(SIGRUN_E_CANCELLED, "the plugin is going away");
    if (where.profile.len) throw sdk::failure(SIGRUN_E_UNSUPPORTED, "this protocol has no profiles");
    if (!dials_)
        throw sdk::failure(SIGRUN_E_UNSUPPORTED,
                           "this host opens no connections for plugins (it has no service sigrun.host.net/1)");
}

sigrun_result websocket_plugin::open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op,
                                     sigrun_link** link) {
    return dialled(shared_->host, op, [&] {
        check_dial(where);
        const dial_request request{shared_,
                                   &next_loop(),
                                   &*dials_,
                                   parse_endpoint(sdk::view(where.uri), sdk::view(where.options)),
                                   clock::now() + shared_->options.now().connect_timeout,
                                   shared_->options.now().deflate == compression::offer};
        auto made = std::make_unique<sigrun_link>();
        *link = made.get();
        open_link(request, frames, op, made.get());
        made.release();
    });
}

sigrun_result websocket_plugin::detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op) {
    return dialled(shared_->host, op, [&] {
        check_dial(where);
        const auto deadline = deadline_ns ? at(deadline_ns) : clock::now() + shared_->options.now().connect_timeout;
        const dial_request request{shared_,  &next_loop(),
                                   &*dials_, parse_endpoint(sdk::view(where.uri), sdk::view(where.options)),
                                   deadline, shared_->options.now().deflate != compression::off};
        websocket::detect(request, op);
    });
}

}  // namespace sigrun::websocket
