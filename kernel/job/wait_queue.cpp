#include "kernel/job/wait_queue.hpp"

namespace sigrun {

wait_queue::order wait_queue::order_of(const job& j) noexcept {
    return {static_cast<std::uint8_t>(j.spec->priority), j.queue_seq};
}

void wait_queue::push(const job_ptr& j) {
    std::lock_guard lock(mutex_);
    lane& l = lanes_[j->spec->pred.get()];
    l.pred = j->spec->pred;
    if (l.jobs.emplace(order_of(*j), j).second) size_.fetch_add(1, std::memory_order_relaxed);
}

void wait_queue::remove(const job_ptr& j) {
    std::lock_guard lock(mutex_);
    auto it = lanes_.find(j->spec->pred.get());
    if (it == lanes_.end()) return;
    if (it->second.jobs.erase(order_of(*j))) size_.fetch_sub(1, std::memory_order_relaxed);
    if (it->second.jobs.empty()) lanes_.erase(it);
}

job_ptr wait_queue::pop(const std::function<bool(const predicate&)>& fits) {
    std::lock_guard lock(mutex_);
    auto best = lanes_.end();
    for (auto it = lanes_.begin(); it != lanes_.end(); ++it)
        if (fits(*it->first) &&
            (best == lanes_.end() || it->second.jobs.begin()->first < best->second.jobs.begin()->first))
            best = it;
    if (best == lanes_.end()) return nullptr;
    auto first = best->second.jobs.begin();
    job_ptr j = std::move(first->second);
    best->second.jobs.erase(first);
    if (best->second.jobs.empty()) lanes_.erase(best);
    size_.fetch_sub(1, std::memory_order_relaxed);
    return j;
}

std::vector<job_ptr> wait_queue::all() const {
    std::lock_guard lock(mutex_);
    std::vector<job_ptr> out;
    for (const auto& [pred, l] : lanes_)
        for (const auto& [key, j] : l.jobs) out.push_back(j);
    return out;
}

}  // namespace sigrun
