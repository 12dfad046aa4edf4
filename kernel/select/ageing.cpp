#include "kernel/select/ageing.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {

void ageing::push(entry e) {
    constexpr std::size_t k_few = 1024;
    if (heap_.size() > 2 * valid_ + k_few) {
        std::erase_if(heap_, [&](const entry& each) { return !holds(each); });
        std::make_heap(heap_.begin(), heap_.end());
    }
    at_[e.slot].store(e.ns, std::memory_order_release);
    heap_.push_back(e);
    std::push_heap(heap_.begin(), heap_.end());
    next_.store(heap_.front().ns, std::memory_order_release);
}

void ageing::expect(std::uint32_t slot, std::int64_t ns) {
    if (slot == judging_) {
        if (!judged_ns_ || ns < judged_ns_) judged_ns_ = ns;
        return;
    }
    const std::int64_t before = at_[slot].load(std::memory_order_relaxed);
    if (before && before <= ns) return;
    valid_ += !before;
    push({ns, slot});
}

std::optional<std::uint32_t> ageing::take(std::int64_t now_ns) {
    while (!heap_.empty() && heap_.front().ns <= now_ns) {
        std::pop_heap(heap_.begin(), heap_.end());
        const entry e = heap_.back();
        heap_.pop_back();
        if (!holds(e)) continue;
        judging_ = e.slot;
        judged_ns_ = 0;
        return e.slot;
    }
    next_.store(heap_.empty() ? 0 : heap_.front().ns, std::memory_order_release);
    return std::nullopt;
}

void ageing::judged() {
    const std::uint32_t slot = std::exchange(judging_, k_none);
    if (judged_ns_) return push({judged_ns_, slot});
    at_[slot].store(0, std::memory_order_release);
    --valid_;
    next_.store(heap_.empty() ? 0 : heap_.front().ns, std::memory_order_release);
}

}  // namespace sigrun
