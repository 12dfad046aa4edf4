// How a balancer behaves: one that is slow, or proposes nothing that could be taken although a place was free, is not
// asked for a while; the built-in choice decides instead. Shared by all threads; lock-free.
#pragma once

#include <atomic>
#include <cstdint>

namespace sigrun {

enum class misconduct : std::uint8_t { none, slow, useless };

class balancer_conduct {
public:
    /// Processor time of one pick. A sound balancer takes well under a microsecond, some ten in a large fleet.
    static constexpr std::int64_t k_budget_ns = 100'000;
    static constexpr std::uint32_t k_slow_in_a_row = 3, k_useless_in_a_row = 64;
    static constexpr std::int64_t k_suspended_ns = 60'000'000'000;

    bool suspended() const noexcept { return suspended_.load(std::memory_order_relaxed); }
    /// One pick of 1024 is timed, and each after one that was slow.
    bool suspected() const noexcept { return slow_.load(std::memory_order_relaxed) > 0; }
    void took(std::int64_t cpu_ns) noexcept;
    /// A pick that another choice could serve, and whether what was proposed could be taken. Only of requests for which
    /// all runners of the pages it was shown suit.
    void proposed(bool useful) noexcept;

    struct change {
        misconduct why = misconduct::none;  // none: it is asked again
        bool happened = false;
    };
    /// Once a second, by one thread: what has changed since the last time; ends a suspension.
    change look(std::int64_t now_ns) noexcept;

private:
    void suspend(misconduct why) noexcept;
    std::atomic<std::uint32_t> slow_{0}, useless_{0};
    std::atomic<bool> suspended_{false};
    std::atomic<misconduct> why_{misconduct::none};
    std::int64_t since_ns_ = 0;  // look's: 0 = not seen suspended yet
};

}  // namespace sigrun
