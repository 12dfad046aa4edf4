#include "kernel/job/job_table.hpp"

namespace sigrun {

void job_table::insert(const job_ptr& j) {
    shard& s = shards_[j->uid.shard()];
    std::lock_guard lock(s.mutex);
    s.jobs.emplace(j->uid, j);
}

job_ptr job_table::find(const id& uid) const {
    const shard& s = shards_[uid.shard()];
    std::lock_guard lock(s.mutex);
    auto it = s.jobs.find(uid);
    return it == s.jobs.end() ? nullptr : it->second;
}

void job_table::erase(const id& uid) {
    shard& s = shards_[uid.shard()];
    std::lock_guard lock(s.mutex);
    s.jobs.erase(uid);
}

std::vector<job_ptr> job_table::finished(const job_ptr& j) {
    std::vector<job_ptr> forgotten;
    {
        std::lock_guard lock(finished_mutex_);
        finished_.push_back(j);
        while (finished_.size() > keep_.load(std::memory_order_relaxed)) {
            forgotten.push_back(std::move(finished_.front()));
            finished_.pop_front();
        }
    }
    for (const auto& old : forgotten) erase(old->uid);
    return forgotten;
}

std::vector<job_ptr> job_table::ended_before(std::int64_t wall_ns, std::size_t most) {
    std::vector<job_ptr> forgotten;
    {
        std::lock_guard lock(finished_mutex_);
        while (!finished_.empty() && forgotten.size() < most && finished_.front()->finished_ns < wall_ns) {
            forgotten.push_back(std::move(finished_.front()));
            finished_.pop_front();
        }
    }
    for (const auto& old : forgotten) erase(old->uid);
    return forgotten;
}

void job_table::reserve(std::size_t more) {
    for (auto& s : shards_) {
        std::lock_guard lock(s.mutex);
        s.jobs.reserve(s.jobs.size() + more / shards_.size());
    }
}

std::vector<job_ptr> job_table::all() const {
    std::vector<job_ptr> out;
    for (const auto& s : shards_) {
        std::lock_guard lock(s.mutex);
        for (const auto& [uid, j] : s.jobs) out.push_back(j);
    }
    return out;
}

}  // namespace sigrun
