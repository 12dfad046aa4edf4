#include "protocol.hpp"

#include "dialer.hpp"

#include <sigrun/cpp/link_ops.hpp>

#include <sys/socket.h>

#include <thread>

namespace sigrun::valkyrie {

namespace {
sigrun_result recognise(sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept {
    auto bytes = sdk::view(first);
    auto n = std::min(bytes.size(), k_magic.size());
    if (bytes.substr(0, n) != k_magic.substr(0, n)) return SIGRUN_NOT_MINE;
    return n == k_magic.size() ? SIGRUN_OK : SIGRUN_NEED_MORE;
}

constexpr sigrun_serve k_serve{
    sizeof(sigrun_serve),
    0,
    &recognise,
    [](sigrun_instance* i, const sigrun_accept* accepted, sigrun_op lifetime) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return sdk::self<protocol>(i).accept(*accepted, lifetime); });
    },
    nullptr,  // handoff: connections stay with the generation that took them
    nullptr,
    [](sigrun_instance* i, std::uint64_t deadline, sigrun_op done) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return sdk::self<protocol>(i).retire(deadline, done); });
    }};

constexpr sigrun_dial k_dial{
    sizeof(sigrun_dial), 0,
    [](sigrun_instance* i, const sigrun_endpoint* endpoint, std::uint64_t deadline,
       sigrun_op op) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return sdk::self<protocol>(i).detect(*endpoint, deadline, op); });
    },
    [](sigrun_instance* i, const sigrun_endpoint* endpoint, const sigrun_sink* frames, sigrun_op op,
       sigrun_link** link) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return sdk::self<protocol>(i).open(*endpoint, *frames, op, link); });
    }};

constexpr sigrun_protocol k_table{sizeof(sigrun_protocol),
                                  0,
                                  sdk::str("valkyrie"),
                                  sdk::str("valkyrie,valkyrie+unix,valkyrie+tls"),
                                  sdk::str(k_alpn),
                                  &k_serve,
                                  &k_dial,
                                  &sdk::link_ops<sigrun_link>};

settings read_settings(const sdk::config_reader& config) {
    settings s;
    s.threads = static_cast<std::uint32_t>(config.integer("threads"));
    s.connect_timeout = config.duration("connect_timeout");
    s.preface_timeout = config.duration("preface_timeout");
    s.idle_timeout = config.duration("idle_timeout");
    s.read_timeout = config.duration("read_timeout");
    s.write_timeout = config.duration("write_timeout");
    s.ping_interval = config.duration("ping_interval");
    s.max_connections = static_cast<std::size_t>(config.integer("max_connections"));
    s.max_frame = static_cast<std::uint32_t>(config.integer("max_frame"));
    s.max_message = static_cast<std::uint32_t>(config.integer("max_message"));
    s.max_streams = static_cast<std::uint32_t>(config.integer("max_streams"));
    s.max_output = static_cast<std::size_t>(config.integer("max_output"));
    s.crc = config.boolean("crc");
    if (s.max_message < s.max_frame)
        throw sdk::failure(SIGRUN_E_CONFIG, sdk::concat("max_message: expected at least max_frame (", s.max_frame,
                                                        " bytes), found ", s.max_message));
    return s;
}

}  // namespace

protocol::protocol(sdk::host host, const sdk::config_reader& config) : shared_(std::make_shared<core>()) {
    shared_->host = host;
    shared_->options = read_settings(config);
    shared_->calls = host.service(SIGRUN_SVC_CALL, &sigrun_svc_call::end);
    shared_->links = host.service(SIGRUN_SVC_LINK, &sigrun_svc_link::adopt);
    metrics_ = host.service(SIGRUN_SVC_METRIC, &sigrun_svc_metric::add);
    if (metrics_)
        turned_away_ = metrics_->counter(host.abi(), sdk::str("sigrun_valkyrie_connections_refused_total"),
                                         sdk::str("Connections refused because max_connections are open."), nullptr, 0);
    dials_ = std::make_unique<sdk::dial_group>(host);
    for (std::uint32_t i = 0; i < shared_->options.threads; ++i)
        loops_.push_back(std::make_unique<loop>(host, sdk::concat("vlk-io-", i)));
}

protocol::~protocol() {
    running_ = false;
    dials_->end();  // before the loops, on which the answers go on
    for (auto& each : loops_) each->stop();
    // The host may still be finishing end() of calls; its done callbacks are code of this plugin.
    for (int i = 0; i < 2000 && shared_->open_calls; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (shared_->open_calls)
        shared_->host.log(SIGRUN_LOG_ERROR, "valkyrie: the host still holds ", shared_->open_calls.load(), " calls");
}

const void* protocol::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_PROTOCOL ? &k_table : nullptr;
}

void protocol::start() {
    for (auto& each : loops_) each->start();
    running_ = true;
}

void protocol::drain(std::uint64_t deadline_ns, sdk::op done) {
    shared_->draining = true;
    if (!running_) return done.ok();
    depart(departure::manner::drain, deadline_ns, std::move(done));
}

sigrun_result protocol::retire(std::uint64_t deadline_ns, sigrun_op token) {
    if (shared_->retiring.exchange(true)) return SIGRUN_E_EXISTS;
    sdk::op done(shared_->host, token);
    if (running_)
        depart(departure::manner::retire, deadline_ns, std::move(done));
    else
        done.ok();
    return SIGRUN_OK;
}

void protocol::depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done) {
    std::vector<loop*> all;
    for (auto& each : loops_) all.push_back(each.get());
    departures_.push_back(
        std::make_shared<departure>(shared_, *dials_, std::move(all), how, deadline_ns, std::move(done)));
    departures_.back()->begin();
}

loop& protocol::next_loop() noexcept { return *loops_[turn_++ % loops_.size()]; }

std::uint64_t protocol::connect_deadline() const noexcept {
    return now_ns() + static_cast<std::uint64_t>(shared_->options.connect_timeout.count());
}

std::shared_ptr<void> protocol::take_seat() {
    if (shared_->accepted.fetch_add(1) >= shared_->options.max_connections) {
        --shared_->accepted;
        return nullptr;
    }
    return {shared_.get(), [shared = shared_](void*) { --shared->accepted; }};
}

/// The descriptor stays the host's, which closes it.
void protocol::turn_away(int fd) noexcept {
    if (turned_away_) metrics_->add(turned_away_, 1);
    sdk::guarded(nullptr, [&] {
        char unread[4096];  // closing a socket with unread bytes would reset it before the GOAWAY is read
        [[maybe_unused]] auto got = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
        byte_buffer out;
        encode_preface(out);
        encode_reason(out, type::goaway, {}, code::too_many_streams, "too many connections");
        [[maybe_unused]] auto sent = send(fd, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    });
}

sigrun_result protocol::accept(const sigrun_accept& accepted, sigrun_op lifetime) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    if (!shared_->calls || !shared_->links) return SIGRUN_E_UNSUPPORTED;  // a host that only dials
    auto seat = take_seat();
    if (!seat) {
        turn_away(accepted.fd);
        return SIGRUN_E_BUSY;
    }
    origin from{role::accepted, accepted.session, {}, lifetime, std::move(seat)};
    if (accepted.flags & SIGRUN_ACCEPT_UNIX) from.auth = sdk::concat("uid ", accepted.uid);
    auto& on = next_loop();
    auto deadline = now_ns() + static_cast<std::uint64_t>(shared_->options.preface_timeout.count());
    auto begin = [shared = shared_, &on, fd = accepted.fd, from, deadline] {
        auto made = std::make_shared<connection>(shared, on, fd, from);
        made->start(deadline, nullptr);
    };
    return on.post(begin) ? SIGRUN_OK : SIGRUN_E_CANCELLED;
}

dial_request protocol::request_for(const sigrun_endpoint& where, std::uint64_t deadline) {
    return {shared_,
            &next_loop(),
            dials_.get(),
            parse_endpoint(sdk::view(where.uri)),
            std::string(sdk::view(where.options)),
            deadline};
}

sigrun_result protocol::open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op,
                             sigrun_link** link) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    if (where.profile.len) return SIGRUN_E_UNSUPPORTED;
    const auto request = request_for(where, connect_deadline());
    *link = new sigrun_link;
    open_link(request, frames, op, *link);
    return SIGRUN_PENDING;
}

sigrun_result protocol::detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    auto deadline = deadline_ns ? deadline_ns : connect_deadline();
    valkyrie::detect(request_for(where, deadline), op);
    return SIGRUN_PENDING;
}

}  // namespace sigrun::valkyrie
