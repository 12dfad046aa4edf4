// What all connections of one plugin instance share: the host's services and the options. Immutable after
// start, but for the counters.
#pragma once

#include "wire.hpp"

#include <sigrun/cpp/host.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string_view>

namespace sigrun::valkyrie {

inline constexpr std::string_view k_alpn = "valkyrie/1";

struct settings {
    std::uint32_t threads = 1;
    std::chrono::nanoseconds connect_timeout{};
    std::chrono::nanoseconds preface_timeout{};
    std::chrono::nanoseconds idle_timeout{};  // 0 = never, here and below
    std::chrono::nanoseconds read_timeout{};
    std::chrono::nanoseconds write_timeout{};
    std::chrono::nanoseconds ping_interval{};
    std::size_t max_connections = 0;
    std::uint32_t max_frame = 0;
    std::uint32_t max_message = 0;
    std::uint32_t max_streams = 0;
    std::size_t max_output = 0;
    bool crc = false;
    std::chrono::nanoseconds retired_idle = std::chrono::seconds(30);  // no option: SPEC.md, section 9
};

struct core {
    sdk::host host;
    const sigrun_svc_call* calls = nullptr;  // null: this host takes no calls
    const sigrun_svc_link* links = nullptr;
    settings options;
    std::atomic<std::size_t> connections{
        0};  // dialled, being dialled and accepted; of closed ones also those held as links
    std::atomic<std::size_t> accepted{0};    // of them, accepted ones
    std::atomic<std::size_t> open_calls{0};  // inbound ones that the host may still use
    std::atomic<bool> draining{false};       // nothing new is taken
    std::atomic<bool> retiring{false};  // a newer generation takes what is new; what comes here is served all the same
};
using core_ptr = std::shared_ptr<core>;

}  // namespace sigrun::valkyrie
