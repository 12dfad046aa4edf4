#include "http_plugin.hpp"

#include "link.hpp"
#include "serve/recognise.hpp"
#include "version.hpp"

#include <sigrun/cpp/link_ops.hpp>
#include <sigrun/cpp/plugin.hpp>

#include <condition_variable>

namespace sigrun::http {
namespace {

constexpr auto k_goodbye = std::chrono::seconds(3);

http_plugin& self(sigrun_instance* instance) noexcept { return sdk::self<http_plugin>(instance); }

constexpr sigrun_serve k_serve{
    sizeof(sigrun_serve),
    0,
    [](sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept -> sigrun_result {
        return recognise(sdk::view(first));
    },
    [](sigrun_instance* i, const sigrun_accept* accept, sigrun_op lifetime) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).serving().on_accept(*accept, lifetime); });
    },
    nullptr,  // handoff: connections stay with the generation that took them
    nullptr,
    [](sigrun_instance* i, std::uint64_t deadline, sigrun_op done) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).retire(deadline, done); });
    }};

constexpr sigrun_dial k_dial{
    sizeof(sigrun_dial), 0,
    [](sigrun_instance* i, const sigrun_endpoint* where, std::uint64_t deadline, sigrun_op op) noexcept
    -> sigrun_result { return sdk::guarded(nullptr, [&] { return self(i).dialling().detect(*where, deadline, op); }); },
    [](sigrun_instance* i, const sigrun_endpoint* where, const sigrun_sink* frames, sigrun_op op,
       sigrun_link** link) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { return self(i).dialling().open(*where, *frames, op, link); });
    }};

}  // namespace

http_plugin::http_plugin(sdk::host host, const sdk::config_reader& config) : host_(std::move(host)) {
    const auto threads = config.integer("threads");
    for (std::int64_t i = 0; i < threads; ++i) loops_.push_back(std::make_unique<loop>(host_, sdk::concat("http/", i)));
    auto options = read(config);
    server_ = std::make_unique<server>(host_, std::move(options.serve), loops_);
    dialler_ = std::make_unique<dialler>(host_, options.dial, loops_);
}

http_plugin::option_sets http_plugin::read(const sdk::config_reader& config) {
    return {
        {static_cast<std::size_t>(config.integer("max_header")), static_cast<std::size_t>(config.integer("max_body")),
         static_cast<std::size_t>(config.integer("max_connections")), config.duration("header_timeout"),
         config.duration("body_timeout"), config.duration("idle_timeout"), config.duration("write_timeout"),
         config.duration("session_timeout"), config.list("allowed_hosts")},
        {config.duration("connect_timeout"), config.duration("session_timeout")}};
}

bool http_plugin::reconfigure(const sdk::config_reader& config) {
    next_ = read(config);
    return true;
}

void http_plugin::commit() {
    if (!next_) return;
    server_->set_options(std::move(next_->serve));
    dialler_->set_options(next_->dial);
    next_.reset();
}

http_plugin::~http_plugin() {
    // Everything is told to end; what the host must confirm (ended calls, closed links) gets a moment to do
    // so.
    dialler_->stop();
    for (const auto& l : loops_) l->shut_all();
    const auto until = clock::now() + k_goodbye;
    const auto busy = [&] {
        std::size_t n = server_->connections();
        for (const auto& l : loops_) n += l->count();
        return n > 0;
    };
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while (busy() && clock::now() < until) never.wait_for(lock, std::chrono::milliseconds(2));
    lock.unlock();
    loops_.clear();
}

const void* http_plugin::interface(std::string_view id) noexcept {
    static const sigrun_protocol table{
        sizeof(sigrun_protocol), 0,        sdk::str("http"), sdk::str("http,http+unix,https"),
        sdk::str(k_alpn),        &k_serve, &k_dial,          &sdk::link_ops<sigrun_link>};
    return id == SIGRUN_KIND_PROTOCOL ? &table : nullptr;
}

void http_plugin::start() {
    for (const auto& l : loops_) l->start();
    running_ = true;
}

void http_plugin::drain(std::uint64_t deadline_ns, sdk::op done) {
    if (!running_) return done.ok();
    depart(departure::manner::drain, deadline_ns, std::move(done));
}

sigrun_result http_plugin::retire(std::uint64_t deadline_ns, sigrun_op token) {
    if (server_->retiring()) return SIGRUN_E_EXISTS;
    sdk::op done(host_, token);
    if (running_)
        depart(departure::manner::retire, deadline_ns, std::move(done));
    else
        done.ok();
    return SIGRUN_OK;
}

void http_plugin::depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done) {
    const time_point until{std::chrono::nanoseconds(deadline_ns)};
    const departure::parts all{*server_, *dialler_, loops_, departing_};
    std::make_shared<departure>(all, how, until, std::move(done))->begin();
}

}  // namespace sigrun::http
