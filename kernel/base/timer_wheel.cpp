#include "kernel/base/timer_wheel.hpp"

#include <algorithm>

namespace sigrun {

timer_wheel::timer_wheel(const clock& clk, nanoseconds tick)
    : clock_(clk), tick_(tick), now_tick_(tick_of(clk.now())) {}

std::int64_t timer_wheel::tick_of(time_point at) const noexcept { return at.time_since_epoch() / tick_; }

void timer_wheel::unlink(timer_node& node) noexcept {
    if (node.bucket_ < 0) return;
    if (node.prev_)
        node.prev_->next_ = node.next_;
    else
        buckets_[static_cast<std::size_t>(node.bucket_)] = node.next_;
    if (node.next_) node.next_->prev_ = node.prev_;
    node.next_ = node.prev_ = nullptr;
    node.bucket_ = -1;
}

void timer_wheel::insert(timer_node& node) noexcept {
    node.bucket_ = static_cast<int>(node.due_tick_ % k_buckets);
    auto& head = buckets_[static_cast<std::size_t>(node.bucket_)];
    node.next_ = head;
    if (head) head->prev_ = &node;
    head = &node;
}

void timer_wheel::arm(timer_node& node, time_point at) {
    std::lock_guard lock(mutex_);
    unlink(node);
    node.due_tick_ = std::max(tick_of(at), now_tick_) + 1;
    insert(node);
}

void timer_wheel::disarm(timer_node& node) noexcept {
    std::lock_guard lock(mutex_);
    unlink(node);
}

void timer_wheel::advance() {
    struct due_node {
        timer_node* node;
        std::shared_ptr<void> owner;
    };
    std::vector<due_node> due;
    {
        std::lock_guard lock(mutex_);
        std::int64_t target = tick_of(clock_.now());
        // After a long pause every bucket is looked at once, not once per missed tick.
        std::int64_t first = std::max(now_tick_ + 1, target - k_buckets + 1);
        for (std::int64_t t = first; t <= target; ++t) {
            timer_node* node = buckets_[static_cast<std::size_t>(t % k_buckets)];
            while (node) {
                timer_node* next = node->next_;
                if (node->due_tick_ <= target) {
                    unlink(*node);
                    if (auto owner = node->pin()) due.push_back({node, std::move(owner)});
                }
                node = next;
            }
        }
        now_tick_ = std::max(now_tick_, target);
    }
    for (auto& d : due) d.node->on_timer();
}

}  // namespace sigrun
