#include "grpc_plugin.hpp"

#include "dial/detect.hpp"
#include "dial/dialled_link.hpp"
#include "link.hpp"
#include "serve/accepted.hpp"

#include <sigrun/cpp/link_ops.hpp>
#include <sigrun/cpp/plugin.hpp>

#include <google/protobuf/stubs/logging.h>
#include <sys/socket.h>

#include <thread>

namespace sigrun::grpc {

namespace {
constexpr std::string_view k_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

sigrun_result recognise(sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept {
    const auto bytes = sdk::view(first);
    const auto n = std::min(bytes.size(), k_preface.size());
    if (bytes.substr(0, n) != k_preface.substr(0, n)) return SIGRUN_NOT_MINE;
    return n == k_preface.size() ? SIGRUN_OK : SIGRUN_NEED_MORE;
}

grpc_plugin& self(sigrun_instance* instance) noexcept { return sdk::self<grpc_plugin>(instance); }

constexpr sigrun_serve k_serve{
    sizeof(sigrun_serve),
    0,
    &recognise,
    [](sigrun_instance* i, const sigrun_accept* accepted, sigrun_op lifetime) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).accept(*accepted, lifetime); });
    },
    nullptr,  // handoff: connections stay with the generation that took them
    nullptr,
    [](sigrun_instance* i, std::uint64_t deadline, sigrun_op done) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).retire(deadline, done); });
    }};

constexpr sigrun_dial k_dial{
    sizeof(sigrun_dial), 0,
    [](sigrun_instance* i, const sigrun_endpoint* endpoint, std::uint64_t deadline, sigrun_op op) noexcept
    -> sigrun_result { return sdk::guarded(nullptr, [&] { return self(i).detect(*endpoint, deadline, op); }); },
    [](sigrun_instance* i, const sigrun_endpoint* endpoint, const sigrun_sink* frames, sigrun_op op,
       sigrun_link** link) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).open(*endpoint, *frames, op, link); });
    }};

constexpr sigrun_protocol k_table{sizeof(sigrun_protocol), 0,        sdk::str("grpc"), sdk::str("grpc,grpcs,grpc+unix"),
                                  sdk::str("h2"),          &k_serve, &k_dial,          &sdk::link_ops<sigrun_link>};
}  // namespace

grpc_plugin::grpc_plugin(sdk::host host, const sdk::config_reader& config)
    : shared_(std::make_shared<core>(host, read_settings(config))) {
    // The library prints to stderr what it finds wrong in messages of peers; they are told, and nobody else.
    google::protobuf::SetLogHandler(nullptr);
    shared_->calls = host.service(SIGRUN_SVC_CALL, &sigrun_svc_call::end);
    shared_->links = host.service(SIGRUN_SVC_LINK, &sigrun_svc_link::adopt);
    if (host.service(SIGRUN_SVC_NET, &sigrun_svc_net::cancel)) shared_->dials.emplace(host);
    const auto threads = config.integer("threads");
    for (std::int64_t i = 0; i < threads; ++i)
        loops_.push_back(std::make_unique<loop>(host, sdk::concat("grpc-io-", i)));
}

grpc_plugin::~grpc_plugin() {
    running_ = false;
    if (shared_->dials) shared_->dials->end();
    for (auto& each : loops_) each->stop();
    // The host may still be finishing end() of calls and its dials; their done callbacks are code of this plugin.
    auto busy = [this] { return shared_->open_calls + shared_->connections; };
    for (int i = 0; i < 3000 && busy(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (busy())
        shared_->host.log(SIGRUN_LOG_ERROR, "grpc: the host still holds ", shared_->open_calls.load(), " calls and ",
                          shared_->connections.load(), " connections");
}

const void* grpc_plugin::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_PROTOCOL ? &k_table : nullptr;
}

void grpc_plugin::start() {
    for (auto& each : loops_) each->start();
    running_ = true;
}

bool grpc_plugin::reconfigure(const sdk::config_reader& config) {
    next_ = read_settings(config);
    return true;
}

void grpc_plugin::commit() {
    if (next_) shared_->options.set(*next_);
    next_.reset();
}

void grpc_plugin::drain(std::uint64_t deadline_ns, sdk::op done) {
    shared_->draining = true;
    if (shared_->dials) shared_->dials->end();
    if (!running_) return done.ok();
    depart(departure::manner::drain, deadline_ns, std::move(done));
}

sigrun_result grpc_plugin::retire(std::uint64_t deadline_ns, sigrun_op token) {
    if (shared_->retiring.exchange(true)) return SIGRUN_E_EXISTS;
    sdk::op done(shared_->host, token);
    if (running_)
        depart(departure::manner::retire, deadline_ns, std::move(done));
    else
        done.ok();
    return SIGRUN_OK;
}

void grpc_plugin::depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done) {
    std::vector<loop*> all;
    for (auto& each : loops_) all.push_back(each.get());
    departures_.push_back(std::make_shared<departure>(shared_, std::move(all), how, deadline_ns, std::move(done)));
    departures_.back()->begin();
}

std::uint64_t grpc_plugin::connect_deadline() const noexcept {
    return now_ns() + ns(shared_->options.now().connect_timeout);
}

// ---- Serving

std::shared_ptr<void> grpc_plugin::take_seat() {
    if (shared_->accepted.fetch_add(1) >= shared_->options.now().max_connections) {
        --shared_->accepted;
        return nullptr;
    }
    return {shared_.get(), [shared = shared_](void*) { --shared->accepted; }};
}

/// The descriptor stays the host's, which closes it.
void grpc_plugin::turn_away(int fd) noexcept {
    shared_->count.refused_connection();
    char unread[4096];  // closing a socket with unread bytes would reset it before the GOAWAY is read
    [[maybe_unused]] auto got = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    static constexpr char k_settings[] = "\0\0\0\4\0\0\0\0\0";
    static constexpr char k_goaway[] =
        "\0\0\x08\7\0\0\0\0\0"  // nothing was taken, ENHANCE_YOUR_CALM
        "\0\0\0\0\0\0\0\x0b";
    [[maybe_unused]] auto sent = send(fd, k_settings, 9, MSG_NOSIGNAL | MSG_DONTWAIT);
    sent = send(fd, k_goaway, 17, MSG_NOSIGNAL | MSG_DONTWAIT);
}

sigrun_result grpc_plugin::accept(const sigrun_accept& given, sigrun_op lifetime) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    auto seat = take_seat();
    if (!seat) {
        turn_away(given.fd);
        return SIGRUN_E_BUSY;
    }
    origin from{given.session, {}, lifetime, std::move(seat)};
    if (given.flags & SIGRUN_ACCEPT_UNIX) from.auth = sdk::concat("uid ", given.uid);
    auto& on = next_loop();
    const auto deadline = now_ns() + ns(shared_->options.now().preface_timeout);
    auto begin = [shared = shared_, &on, fd = given.fd, from, deadline] {
        std::make_shared<accepted>(shared, on, fd, from)->start(deadline);
    };
    return on.post(begin) ? SIGRUN_OK : SIGRUN_E_CANCELLED;
}

// ---- Dialling

sigrun_result grpc_plugin::open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op,
                                sigrun_link** link) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    if (where.profile.len) return SIGRUN_E_UNSUPPORTED;
    auto& on = next_loop();
    dial_request request{shared_, &on, parse_endpoint(sdk::view(where.uri), sdk::view(where.options)),
                         connect_deadline()};
    const auto made = std::make_shared<dialled_link>(shared_, on, frames);
    *link = made.get();
    made->open(request, sdk::op(shared_->host, op));
    return SIGRUN_PENDING;
}

sigrun_result grpc_plugin::detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op) {
    if (!running_ || shared_->draining) return SIGRUN_E_CANCELLED;
    if (where.profile.len) return SIGRUN_E_UNSUPPORTED;
    dial_request request{shared_, &next_loop(), parse_endpoint(sdk::view(where.uri), sdk::view(where.options)),
                         deadline_ns ? deadline_ns : connect_deadline()};
    grpc::detect(request, sdk::op(shared_->host, op));
    return SIGRUN_PENDING;
}

}  // namespace sigrun::grpc
