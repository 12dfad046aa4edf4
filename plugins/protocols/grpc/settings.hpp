// The options of an instance, and what all its connections share.
#pragma once

#include "dial/pending_dials.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/live_options.hpp>
#include <sigrun/cpp/options.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

namespace sigrun::grpc {

struct settings {
    std::chrono::nanoseconds connect_timeout{};
    std::chrono::nanoseconds preface_timeout{};
    std::chrono::nanoseconds idle_timeout{};  // 0 = never, here and below
    std::chrono::nanoseconds read_timeout{};
    std::chrono::nanoseconds write_timeout{};
    std::chrono::nanoseconds ping_interval{};
    std::size_t max_connections = 0;
    std::size_t max_message = 0;
    std::size_t max_header = 0;
    std::uint32_t max_streams = 0;
    std::size_t max_output = 0;
};
/// Throws sdk::failure if two options contradict each other.
settings read_settings(const sdk::config_reader& config);

/// Counters of /metrics; a host without the service counts nothing.
class counters {
public:
    explicit counters(const sdk::host& host);
    void call() noexcept { add(calls_); }
    void failed_call() noexcept { add(failed_); }
    void refused_connection() noexcept { add(refused_); }
    void abused() noexcept { add(abused_); }

private:
    void add(sigrun_metric* which) noexcept {
        if (which) table_->add(which, 1);
    }
    const sigrun_svc_metric* table_;
    sigrun_metric *calls_ = nullptr, *failed_ = nullptr, *refused_ = nullptr, *abused_ = nullptr;
};

struct core {
    core(const sdk::host& h, settings first) : host(h), options(first), count(h) {}

    sdk::host host;
    const sigrun_svc_call* calls = nullptr;  // null: this host takes no calls
    const sigrun_svc_link* links = nullptr;
    std::optional<pending_dials> dials;  // nothing: this host opens no connections
    sdk::live_options<settings> options;
    counters count;
    std::atomic<std::size_t> connections{0};  // being dialled, dialled and accepted; also closed ones held as links
    std::atomic<std::size_t> accepted{0};     // of them, accepted ones
    std::atomic<std::size_t> open_calls{0};   // that the host may still answer
    std::atomic<bool> draining{false};        // nothing new is taken
    std::atomic<bool> retiring{false};  // a newer generation takes what is new; what comes here is served all the same
};
using core_ptr = std::shared_ptr<core>;

inline std::uint64_t ns(std::chrono::nanoseconds d) noexcept { return static_cast<std::uint64_t>(d.count()); }

}  // namespace sigrun::grpc
