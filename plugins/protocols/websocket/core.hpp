// What all connections of one plugin instance share: the host's services, the options, the counters. Thread-safe.
#pragma once

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/live_options.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sigrun::websocket {

enum class compression { off, accept, offer };

struct settings {
    std::chrono::nanoseconds connect_timeout{};
    std::chrono::nanoseconds handshake_timeout{};
    std::chrono::nanoseconds idle_timeout{};  // 0 = never, here and below
    std::chrono::nanoseconds message_timeout{};
    std::chrono::nanoseconds write_timeout{};
    std::chrono::nanoseconds ping_interval{};
    std::chrono::nanoseconds pong_timeout{};
    std::size_t max_connections = 0;
    std::size_t max_calls = 0;
    std::size_t max_header = 0;
    std::size_t max_message = 0;
    std::size_t max_output = 0;
    compression deflate = compression::accept;
    std::vector<std::string> allowed_hosts;
};

struct counters {
    const sigrun_svc_metric* service = nullptr;  // null: this host takes no numbers
    sigrun_metric* refused_connections = nullptr;
    sigrun_metric* refused_upgrades = nullptr;
    sigrun_metric* protocol_errors = nullptr;
    sigrun_metric* silent_peers = nullptr;
    void add(sigrun_metric* counter) const noexcept {
        if (service && counter) service->add(counter, 1);
    }
};

struct core {
    core(const sdk::host& h, settings first) : host(h), options(std::move(first)) {}

    sdk::host host;
    const sigrun_svc_call* calls = nullptr;  // null: this host takes no calls
    const sigrun_svc_link* links = nullptr;
    sdk::live_options<settings> options;
    counters numbers;
    std::atomic<std::size_t> connections{0};  // dialled, being dialled and accepted; of closed ones those held as links
    std::atomic<std::size_t> accepted{0};     // of them, accepted ones
    std::atomic<std::size_t> open_calls{0};   // inbound ones that the host may still use
    std::atomic<bool> draining{false};        // nothing new is taken
    std::atomic<bool> retiring{false};  // a newer generation takes what is new; what comes here is served all the same
};
using core_ptr = std::shared_ptr<core>;

/// Counts something as a connection as long as it lives, so that an instance that goes waits for it.
inline std::shared_ptr<void> counted(const core_ptr& shared) {
    ++shared->connections;
    return {shared.get(), [shared](void*) { --shared->connections; }};
}

}  // namespace sigrun::websocket
