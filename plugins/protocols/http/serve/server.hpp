// The serving face: limits, the connections of all loops, and the sessions over HTTP they carry.
#pragma once

#include "loop.hpp"
#include "serve/session_table.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/live_options.hpp>
#include <sigrun/protocol.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace sigrun::http {

struct server_options {
    std::size_t max_header = 64 << 10;
    std::size_t max_body = 16 << 20;
    std::size_t max_connections = 10000;
    std::chrono::nanoseconds header_timeout{};
    std::chrono::nanoseconds body_timeout{};
    std::chrono::nanoseconds idle_timeout{};
    std::chrono::nanoseconds write_timeout{};
    std::chrono::nanoseconds session_timeout{};
    std::vector<std::string> allowed_hosts;  // see host_rule
};

class server {
public:
    server(const sdk::host& host, const server_options& options, std::vector<std::unique_ptr<loop>>& loops);

    /// [any] As sigrun_serve.on_accept.
    sigrun_result on_accept(const sigrun_accept& accept, sigrun_op lifetime);
    /// [any] The daemon stops: no new connections; idle ones end now, busy ones after their answer.
    void drain();
    /// [any] A newer generation serves: sessions are told to reconnect, streams of events end for the peer to come again,
    /// other connections end with an answer that says so. What still comes is served.
    void retire();
    /// [any] The time of the retirement is nearly over: idle connections and sessions end in an orderly way.
    void last_call();
    bool retiring() const noexcept { return retiring_.load(std::memory_order_relaxed); }
    /// Whether connections are to end when they can.
    bool leaving() const noexcept { return retiring() || draining(); }
    bool draining() const noexcept { return draining_.load(std::memory_order_relaxed); }
    bool in_last_call() const noexcept { return last_call_.load(std::memory_order_relaxed); }
    /// Whether a connection without a request ends at once.
    bool ends_idle() const noexcept { return in_last_call() || draining(); }
    std::size_t connections() const noexcept { return connections_.load(); }

    const server_options& options() const noexcept { return options_.now(); }
    /// [any] For what begins after it.
    void set_options(server_options next) { options_.set(std::move(next)); }
    const sdk::host& host() const noexcept { return host_; }
    const sigrun_svc_call* calls() const noexcept { return calls_; }
    const sigrun_svc_link* links() const noexcept { return links_; }
    session_table& sessions() noexcept { return sessions_; }
    void connection_gone() noexcept { connections_.fetch_sub(1); }

private:
    sdk::host host_;
    const sigrun_svc_call* calls_;
    const sigrun_svc_link* links_;
    sdk::live_options<server_options> options_;
    std::vector<std::unique_ptr<loop>>& loops_;
    session_table sessions_;
    std::atomic<std::size_t> connections_{0};
    std::atomic<std::size_t> next_loop_{0};
    std::atomic<bool> draining_{false};
    std::atomic<bool> retiring_{false};
    std::atomic<bool> last_call_{false};
};

}  // namespace sigrun::http
