#include "kernel/job/retry_budget.hpp"

#include <algorithm>

namespace sigrun {

void retry_budget::began(job_class& c) noexcept {
    c.attempts.fetch_add(1, std::memory_order_relaxed);
    attempts_.fetch_add(1, std::memory_order_relaxed);
}

void retry_budget::ended(job_class& c) noexcept {
    c.attempts.fetch_sub(1, std::memory_order_relaxed);
    attempts_.fetch_sub(1, std::memory_order_relaxed);
}

std::uint32_t retry_budget::most(std::uint32_t attempts) const noexcept {
    return std::max(k_least, static_cast<std::uint32_t>(share_.load(std::memory_order_relaxed) * attempts));
}

bool retry_budget::has_room(const job_class& c) const noexcept {
    return retries_ < most(attempts_.load(std::memory_order_relaxed)) &&
           c.retries < most(c.attempts.load(std::memory_order_relaxed));
}

bool retry_budget::take(const class_ptr& c, const waiter_ptr& who) {
    std::lock_guard lock(mutex_);
    if (c->denied.empty() && has_room(*c)) {
        ++retries_;
        ++c->retries;
        return true;
    }
    if (c->denied.empty()) lines_.push_back(c);
    c->denied.push_back(who);
    denied_.fetch_add(1, std::memory_order_relaxed);
    return false;
}

void retry_budget::give(job_class& c) {
    std::lock_guard lock(mutex_);
    --retries_;
    --c.retries;
}

void retry_budget::proven(job_class& c) {
    give(c);
    began(c);
}

std::vector<waiter_ptr> retry_budget::ready() {
    std::vector<waiter_ptr> out;
    std::lock_guard lock(mutex_);
    // Class by class, one each, so that a long line does not stand before the short ones.
    for (std::size_t blocked = 0; blocked < lines_.size();) {
        if (retries_ >= most(attempts_.load(std::memory_order_relaxed))) break;
        const class_ptr c = lines_.front();
        if (!has_room(*c)) {
            lines_.splice(lines_.end(), lines_, lines_.begin());
            ++blocked;
            continue;
        }
        auto who = c->denied.front().lock();
        c->denied.pop_front();
        denied_.fetch_sub(1, std::memory_order_relaxed);
        if (c->denied.empty())
            lines_.pop_front();
        else
            lines_.splice(lines_.end(), lines_, lines_.begin());
        if (!who) continue;
        ++retries_;
        ++c->retries;
        out.push_back(std::move(who));
        blocked = 0;
    }
    return out;
}

std::pair<std::uint32_t, std::uint32_t> retry_budget::in_all() const {
    std::lock_guard lock(mutex_);
    return {retries_, attempts_.load(std::memory_order_relaxed)};
}

}  // namespace sigrun
