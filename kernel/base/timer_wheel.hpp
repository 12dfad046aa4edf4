// Many deadlines, few of which ever fire: arm and disarm in O(1), resolution one tick.
//
// Threads: arm and disarm are [any]; advance is called by one thread. A node's owner is pinned while it fires, so an
// owner may be destroyed at any time (its destructor disarms).
#pragma once

#include "kernel/base/clock.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

class timer_wheel;

/// Embed or derive. Not armed at first.
class timer_node {
public:
    timer_node() = default;
    timer_node(const timer_node&) = delete;
    timer_node& operator=(const timer_node&) = delete;
    virtual ~timer_node() = default;  // the owner disarms before it dies

protected:
    /// A strong reference to the owner, or null if it is being destroyed. Called under the wheel's lock.
    virtual std::shared_ptr<void> pin() noexcept = 0;
    /// The deadline passed. Called without locks; may arm again.
    virtual void on_timer() = 0;

private:
    friend class timer_wheel;
    timer_node* next_ = nullptr;
    timer_node* prev_ = nullptr;
    std::int64_t due_tick_ = 0;
    int bucket_ = -1;
};

class timer_wheel {
public:
    timer_wheel(const clock& clk, nanoseconds tick = std::chrono::milliseconds(50));
    /// Fires once at or after `at`; an armed node is moved.
    void arm(timer_node& node, time_point at);
    void disarm(timer_node& node) noexcept;
    /// Fires what is due. Call about once per tick.
    void advance();
    nanoseconds tick() const noexcept { return tick_; }

private:
    static constexpr int k_buckets = 512;
    void unlink(timer_node& node) noexcept;
    void insert(timer_node& node) noexcept;
    std::int64_t tick_of(time_point at) const noexcept;

    const clock& clock_;
    nanoseconds tick_;
    std::mutex mutex_;
    std::int64_t now_tick_;
    std::array<timer_node*, k_buckets> buckets_{};
};

}  // namespace sigrun
