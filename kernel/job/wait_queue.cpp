#include "kernel/job/wait_queue.hpp"

namespace sigrun {

wait_queue::order wait_queue::order_of(const job& j) noexcept {
    return {static_cast<std::uint8_t>(j.spec->priority), j.queue_seq};
}

void wait_queue::push(const job_ptr& j, protocol_mask protocols) {
    std::lock_guard lock(mutex_);
    if (!where_.emplace(j.get(), protocols).second) return;
    lane& l = lanes_[{j->spec->pred.get(), protocols}];
    l.pred = j->spec->pred;
    l.jobs.emplace(order_of(*j), j);
    size_.fetch_add(1);
}

void wait_queue::remove(const job_ptr& j) {
    std::lock_guard lock(mutex_);
    auto where = where_.find(j.get());
    if (where == where_.end()) return;
    auto it = lanes_.find({j->spec->pred.get(), where->second});
    where_.erase(where);
    it->second.jobs.erase(order_of(*j));
    size_.fetch_sub(1);
    if (it->second.jobs.empty()) lanes_.erase(it);
}

job_ptr wait_queue::pop(const fits_fn& fits) {
    std::lock_guard lock(mutex_);
    auto best = lanes_.end();
    for (auto it = lanes_.begin(); it != lanes_.end(); ++it)
        if (fits(*it->first.first, it->first.second) &&
            (best == lanes_.end() || it->second.jobs.begin()->first < best->second.jobs.begin()->first))
            best = it;
    if (best == lanes_.end()) return nullptr;
    auto first = best->second.jobs.begin();
    job_ptr j = std::move(first->second);
    best->second.jobs.erase(first);
    if (best->second.jobs.empty()) lanes_.erase(best);
    where_.erase(j.get());
    size_.fetch_sub(1);
    return j;
}

std::vector<job_ptr> wait_queue::all() const {
    std::lock_guard lock(mutex_);
    std::vector<job_ptr> out;
    for (const auto& [key, l] : lanes_)
        for (const auto& [at, j] : l.jobs) out.push_back(j);
    return out;
}

std::vector<job_ptr> wait_queue::heads(std::size_t limit) {
    std::lock_guard lock(mutex_);
    std::vector<job_ptr> out;
    auto it = lanes_.lower_bound(cursor_);
    for (std::size_t left = std::min(limit, lanes_.size()); left; --left) {
        if (it == lanes_.end()) it = lanes_.begin();
        out.push_back(it->second.jobs.begin()->second);
        ++it;
    }
    cursor_ = it == lanes_.end() ? lane_key{} : it->first;
    return out;
}

}  // namespace sigrun
