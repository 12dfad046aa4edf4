// Jobs that wait for a place, by requirement: a freed place asks only the requirements it satisfies. Within and across
// requirements the order is priority band, then age.
#pragma once

#include "kernel/job/job.hpp"

#include <array>
#include <functional>
#include <map>

namespace sigrun {

class wait_queue {
public:
    void push(const job_ptr& j);
    void remove(const job_ptr& j);
    /// The first job (by band, then age) among the requirements for which `fits` is true; taken out of the queue.
    job_ptr pop(const std::function<bool(const predicate&)>& fits);
    std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
    std::vector<job_ptr> all() const;

private:
    using order = std::pair<std::uint8_t, std::uint64_t>;  // band, sequence
    struct lane {
        predicate_ptr pred;
        std::map<order, job_ptr> jobs;
    };
    static order order_of(const job& j) noexcept;
    mutable std::mutex mutex_;
    std::map<predicate*, lane> lanes_;
    std::atomic<std::size_t> size_{0};
};

}  // namespace sigrun
