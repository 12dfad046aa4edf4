#include "server.hpp"

#include "words.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace line {

using namespace sigrun::sdk;

server::server(host h, const config_reader& config)
    : host_(h),
      max_connections_(static_cast<std::size_t>(config.integer("max_connections"))),
      loop_(h),
      around_{h, loop_, commands_, live_calls_, static_cast<std::size_t>(config.integer("max_line"))} {}

void server::start() { loop_.start(*this); }

server::~server() {
    loop_.post([this] {
        for (auto& each : connections_) each->cut();
    });
    loop_.stop();
}

// Pure: it may be asked about the same bytes any number of times.
sigrun_result server::recognise(sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept {
    const auto seen = view(first).substr(0, k_greeting.size());
    if (seen != k_greeting.substr(0, seen.size())) return SIGRUN_NOT_MINE;
    return seen.size() == k_greeting.size() ? SIGRUN_OK : SIGRUN_NEED_MORE;
}

// [io] The connection is the plugin's from here on; the loop's thread takes it.
sigrun_result server::on_accept(sigrun_instance* i, const sigrun_accept* accept, sigrun_op lifetime) noexcept {
    auto& me = self<server>(i);
    return guarded(nullptr, [&]() -> sigrun_result {
        auto life = std::make_shared<op>(me.host_, lifetime);
        me.loop_.post([&me, fd = accept->fd, session = accept->session, life] {
            if (me.connections_.size() >= me.max_connections_) {
                me.host_.log(SIGRUN_LOG_WARNING, "a connection more than max_connections was closed");
                ::close(fd);
                return life->ok();
            }
            me.connections_.push_back(std::make_shared<connection>(me.around_, fd, session, std::move(*life)));
            if (!me.leaving_.empty()) me.connections_.back()->retire();
        });
        return SIGRUN_OK;
    });
}

sigrun_result server::retire(sigrun_instance* i, std::uint64_t deadline_ns, sigrun_op done) noexcept {
    auto& me = self<server>(i);
    return guarded(nullptr, [&]() -> sigrun_result {
        me.begin_to_retire(deadline_ns, std::make_shared<op>(me.host_, done));
        return SIGRUN_PENDING;
    });
}

void server::drain(std::uint64_t deadline_ns, op done) {
    if (!loop_.started()) return done.ok();  // never started, so there is nobody to wait for
    begin_to_retire(deadline_ns, std::make_shared<op>(std::move(done)));
}

void server::begin_to_retire(std::uint64_t deadline_ns, std::shared_ptr<op> done) {
    loop_.post([this, deadline_ns, done] {
        const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
        leaving_.push_back({deadline, done});
        for (auto& each : connections_) each->retire();
    });
}

void server::wanted(std::vector<pollfd>& fds) {
    for (const auto& each : connections_)
        if (each->fd() >= 0) fds.push_back({each->fd(), each->wanted(), 0});
}

void server::ready(const pollfd& which) {
    for (const auto& each : connections_)
        if (each->fd() == which.fd) return each->ready(which.revents);
}

void server::look() {
    const auto now = std::chrono::steady_clock::now();
    const bool late = std::any_of(leaving_.begin(), leaving_.end(), [&](const leaving& l) { return now > l.deadline; });
    for (const auto& each : connections_) late ? each->cut() : each->look();
    connections_.remove_if([](const auto& each) { return each->over(); });
    if (!finished()) return;
    for (auto& each : leaving_) each.done->ok();
    leaving_.clear();
}

const void* server::interface(std::string_view id) noexcept {
    static constexpr sigrun_serve serve = {sizeof(sigrun_serve), 0, &recognise, &on_accept, nullptr, nullptr, &retire};
    // No dialling side: nobody reaches a runner through this protocol.
    static constexpr sigrun_protocol protocol = {
        sizeof(sigrun_protocol), 0, str("line"), str("line"), str(""), &serve, nullptr, nullptr};
    static constexpr line_commands commands = {
        sizeof(line_commands), 0,
        [](sigrun_instance* i, sigrun_str word, line_handler handler, void* ctx, std::uint64_t* token) noexcept {
            return guarded(nullptr, [&] { return self<server>(i).commands_.add(view(word), handler, ctx, token); });
        },
        [](sigrun_instance* i, std::uint64_t token) noexcept { self<server>(i).commands_.remove(token); }};
    if (id == SIGRUN_KIND_PROTOCOL) return &protocol;
    return id == LINE_COMMANDS ? &commands : nullptr;
}

}  // namespace line

namespace {
constexpr sigrun_opt k_options[] = {
    sigrun::sdk::option("max_connections", SIGRUN_OPT_INT,
                        {.def = "256", .doc = "Clients at once; one more is closed.", .min = 1, .max = 10000}),
    sigrun::sdk::option("max_line", SIGRUN_OPT_SIZE,
                        {.def = "64k", .doc = "The longest line a client may send.", .min = 256, .max = 1048576}),
};
}

SIGRUN_PLUGIN("example.line", "1.0.0", "One job per line of text", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<line::server>("line", SIGRUN_KIND_PROTOCOL, "One job per line of text", k_options))
