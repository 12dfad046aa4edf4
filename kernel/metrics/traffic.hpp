// What goes over each protocol: calls with their answers, and frames of sessions. Bytes are those of documents and payloads as the kernel
// and the plugin hand them to each other; what a protocol, TLS or compression adds or saves is not in them.
#pragma once

#include "kernel/metrics/latency_counts.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun {

/// Counted since the program started. [any]
struct protocol_traffic {
    explicit protocol_traffic(std::string called) : name(std::move(called)) {}
    const std::string name;
    /// A direction has a cache line of its own: frames come and go on different threads.
    struct alignas(64) direction {
        std::atomic<std::uint64_t> frames{0}, bytes{0};
        void add(std::uint64_t n) noexcept {
            frames.fetch_add(1, std::memory_order_relaxed);
            bytes.fetch_add(n, std::memory_order_relaxed);
        }
    };
    direction in, out;
    alignas(64) std::atomic<std::uint64_t> calls{0}, calls_failed{0};
    /// From the arrival of a call until its answer was handed to the protocol. Of calls with one answer, not of streams.
    latency_counts answers;
};

/// One protocol_traffic per protocol, never removed. [any]
class traffic_board {
public:
    static constexpr std::size_t k_most = 64;
    /// Beyond k_most names all others share one, "other".
    protocol_traffic& of(std::string_view protocol);
    std::vector<const protocol_traffic*> all() const;

private:
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<protocol_traffic>> known_;
};

}  // namespace sigrun
