// How the calls into a plugin generation ended, counted by the host as they end: cheap enough to be always on.
#pragma once

#include <sigrun/base.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace sigrun {

struct call_counts {
    std::uint64_t calls = 0, failures = 0;

    call_counts& operator+=(const call_counts& o) noexcept {
        calls += o.calls;
        failures += o.failures;
        return *this;
    }
};

/// Results that speak against whoever gave them. Refusing a wrong argument, being busy, cancelled or fenced, or not finding
/// something is an answer like any other.
constexpr bool speaks_against(sigrun_result r) noexcept {
    switch (r) {
        case SIGRUN_E_UNSUPPORTED:
        case SIGRUN_E_TIMEOUT:
        case SIGRUN_E_NOMEM:
        case SIGRUN_E_CONFIG:
        case SIGRUN_E_IO:
        case SIGRUN_E_INTERNAL: return true;
        default: return false;
    }
}

/// [any] A cache line per group of threads, so that they do not meet.
class call_counter {
public:
    /// The call that begins an operation came back with this result.
    void begun(sigrun_result r) noexcept {
        auto& mine = here();
        mine.begun.fetch_add(1, std::memory_order_relaxed);
        if (speaks_against(r)) mine.failures.fetch_add(1, std::memory_order_relaxed);
    }
    /// An operation was completed with this result.
    void ended(sigrun_result r) noexcept {
        auto& mine = here();
        mine.ended.fetch_add(1, std::memory_order_relaxed);
        if (speaks_against(r)) mine.failures.fetch_add(1, std::memory_order_relaxed);
    }
    /// Calls that were counted elsewhere.
    void add(std::uint64_t calls, std::uint64_t failures) noexcept {
        auto& mine = here();
        mine.begun.fetch_add(calls, std::memory_order_relaxed);
        if (failures) mine.failures.fetch_add(failures, std::memory_order_relaxed);
    }
    /// Some operations are not begun through plugin_host::call_async, and some last for hours: the larger number counts.
    call_counts total() const noexcept {
        std::uint64_t begun = 0, ended = 0, failures = 0;
        for (const auto& each : shards_) {
            begun += each.begun.load(std::memory_order_relaxed);
            ended += each.ended.load(std::memory_order_relaxed);
            failures += each.failures.load(std::memory_order_relaxed);
        }
        return {begun > ended ? begun : ended, failures};
    }

private:
    struct alignas(64) shard {
        std::atomic<std::uint64_t> begun{0}, ended{0}, failures{0};
    };
    shard& here() noexcept {
        static std::atomic<std::size_t> next{0};
        thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
        return shards_[mine % k_shards];
    }
    static constexpr std::size_t k_shards = 8;
    std::array<shard, k_shards> shards_{};
};

}  // namespace sigrun
