// Time. Components take a clock, so tests can turn it by hand.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace sigrun {

using nanoseconds = std::chrono::nanoseconds;
/// Monotonic time (CLOCK_MONOTONIC), for deadlines and durations.
using time_point = std::chrono::steady_clock::time_point;

/// Thread-safe.
class clock {
public:
    virtual ~clock() = default;
    virtual time_point now() const noexcept { return std::chrono::steady_clock::now(); }
    /// Wall clock, nanoseconds since 1970.
    virtual std::int64_t wall_ns() const noexcept {
        return std::chrono::duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    }
    static const clock& system() noexcept {
        static const clock instance;
        return instance;
    }
};

/// Stands still until told otherwise.
class manual_clock final : public clock {
public:
    time_point now() const noexcept override { return time_point(nanoseconds(now_.load())); }
    std::int64_t wall_ns() const noexcept override { return k_wall_start + now_.load(); }
    void advance(nanoseconds by) noexcept { now_ += by.count(); }

private:
    static constexpr std::int64_t k_wall_start = 1'767'225'600'000'000'000;  // 2026-01-01
    std::atomic<std::int64_t> now_{1'000'000'000};
};

/// "2026-01-05T10:00:00.123Z"
std::string to_rfc3339(std::int64_t wall_ns);

}  // namespace sigrun
