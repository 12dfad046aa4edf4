// All jobs by id, in 64 shards; ended jobs are kept in order of their end, and forgotten beyond a number and an age.
#pragma once

#include "kernel/job/job.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <unordered_map>

namespace sigrun {

class job_table {
public:
    explicit job_table(std::size_t keep_finished) : keep_(keep_finished) {}
    void insert(const job_ptr& j);
    /// So many more are about to be inserted.
    void reserve(std::size_t more);
    job_ptr find(const id& uid) const;
    /// The job is terminal. Returns the jobs that are forgotten for it (usually none or one).
    std::vector<job_ptr> finished(const job_ptr& j);
    void erase(const id& uid);
    std::vector<job_ptr> all() const;
    /// Jobs that have ended before then, of the oldest, `most` at once: they are forgotten.
    std::vector<job_ptr> ended_before(std::int64_t wall_ns, std::size_t most);
    /// From the next job on that ends.
    void keep(std::size_t finished) noexcept { keep_.store(finished, std::memory_order_relaxed); }

private:
    struct shard {
        mutable std::mutex mutex;
        std::unordered_map<id, job_ptr> jobs;
    };
    std::array<shard, 64> shards_;
    std::atomic<std::size_t> keep_;
    std::mutex finished_mutex_;
    std::deque<job_ptr> finished_;
};

}  // namespace sigrun
