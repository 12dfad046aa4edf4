#include "kernel/select/balancer_conduct.hpp"

namespace sigrun {

void balancer_conduct::suspend(misconduct why) noexcept {
    why_.store(why);
    suspended_.store(true);
}

void balancer_conduct::took(std::int64_t cpu_ns) noexcept {
    if (cpu_ns <= k_budget_ns)
        slow_.store(0, std::memory_order_relaxed);
    else if (slow_.fetch_add(1, std::memory_order_relaxed) + 1 >= k_slow_in_a_row)
        suspend(misconduct::slow);
}

void balancer_conduct::proposed(bool useful) noexcept {
    if (useful) {
        if (useless_.load(std::memory_order_relaxed)) useless_.store(0, std::memory_order_relaxed);
    } else if (useless_.fetch_add(1, std::memory_order_relaxed) + 1 >= k_useless_in_a_row) {
        suspend(misconduct::useless);
    }
}

balancer_conduct::change balancer_conduct::look(std::int64_t now_ns) noexcept {
    if (!suspended()) return {};
    if (!since_ns_) {
        since_ns_ = now_ns;
        return {why_.load(), true};
    }
    if (now_ns - since_ns_ < k_suspended_ns) return {};
    since_ns_ = 0;
    slow_.store(0);
    useless_.store(0);
    suspended_.store(false);
    return {misconduct::none, true};
}

}  // namespace sigrun
