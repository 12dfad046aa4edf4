// What one runner's rungs have shown, and in which order they are used. The order is made when something has changed; a pick
// only looks for the first of it that suits the job.
//
// Everything under the member's lock, but rung_evidence, which is found and fed without it.
#pragma once

#include "kernel/link/breaker.hpp"
#include "kernel/link/evidence.hpp"
#include "kernel/link/rung_history.hpp"
#include "kernel/link/rung_score.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace sigrun {

struct rung_record {
    rung_evidence evidence;
    breaker gate;
    rung_history history;
    time_point up_since{};       // of its present link
    time_point lost_at{};        // while others of the runner stood
    time_point gone_since{};     // it was lost, and has not come back
    std::uint32_t losses = 0;    // of late
    nanoseconds window_best{0};  // round trip of the current window, 0 = none; the worst says more of a busy machine
    std::uint32_t bad_windows = 0;
    std::string last_failure;
    nanoseconds patience = std::chrono::milliseconds(400);  // of a look whether it is there; grows while nobody answers
    std::uint32_t vain_looks = 0;                           // in a row: silent, or no connection
};

class rung_board {
public:
    ~rung_board();
    rung_board() = default;
    rung_board(const rung_board&) = delete;
    rung_board& operator=(const rung_board&) = delete;

    /// Made at the first call; stays until the board goes.
    rung_record& at(std::uint8_t protocol);
    /// null: nothing was ever noted for it. [any], without the lock.
    rung_record* find(std::uint8_t protocol) const noexcept {
        return protocol < k_max_protocols ? records_[protocol].load(std::memory_order_acquire) : nullptr;
    }

    /// A rung that broke while others stood must stand this long before it is used first again.
    bool held(std::uint8_t protocol, const rung_rules& rules, time_point now) const;
    void connected(std::uint8_t protocol, time_point now);
    /// `others_stand`: it was the rung, not the runner.
    void lost(std::uint8_t protocol, const std::string& why, bool others_stand, time_point now);
    /// The runner was gone altogether: that says nothing about single rungs.
    void forgive();
    /// A window of round trips is over: was the rung that was left worse than the one in use by more than `threshold`, once
    /// more in a row? A window in which one of the two was not measured says nothing.
    void end_window(double threshold);
    /// Attempts that run on the rung that was left should come over to the one in use, as far as the measurements go.
    bool work_is_to_follow() const;
    static constexpr std::uint32_t k_bad_windows = 3;

    /// By urgent and bulky.
    static std::size_t variant(bool urgent, bool bulky) noexcept { return (urgent ? 1u : 0u) | (bulky ? 2u : 0u); }
    std::array<rung_order, 4> orders{};
    std::array<rung_before, 4> current{};

    struct rung_switch {
        std::uint8_t from = 0xff, to = 0xff;
        std::string reason;
        std::int64_t at_ns = 0;  // wall clock
    } last_switch;
    std::uint8_t rung = 0xff;  // of which the last event told
    std::uint64_t switches = 0;
    std::uint8_t wanted = 0xff;  // an operator moved it there
    std::string next_reason;     // why the next change of rung happens, if the one who causes it knows
    std::uint32_t turn = 0;      // of the strategy that rotates
    bool rotate = false;         // of the rules by which the orders were made, as the next
    double preferred_bias = 0;
    /// When attempts that run follow a change of rung: at once, after the dwell, or when round trips stay bad.
    enum class follow : std::uint8_t { nothing, after_dwell, when_degraded } moves = follow::nothing;
    time_point moved_at{};      // they did, last
    time_point window_began{};  // of round trips that are compared

private:
    std::array<std::atomic<rung_record*>, k_max_protocols> records_{};
};

}  // namespace sigrun
