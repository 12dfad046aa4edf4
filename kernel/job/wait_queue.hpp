// Jobs that wait for a place, in lanes of equal requirement and allowed protocols: a freed place asks only the lanes it
// can serve. Within and across lanes the order is priority band, then age.
#pragma once

#include "kernel/job/job.hpp"

#include <array>
#include <functional>
#include <map>
#include <unordered_map>

namespace sigrun {

class wait_queue {
public:
    using fits_fn = std::function<bool(const predicate&, protocol_mask)>;

    /// `protocols` are those the job allows; the same at each push of a job.
    void push(const job_ptr& j, protocol_mask protocols);
    void remove(const job_ptr& j);
    /// The first job (by band, then age) among the lanes for which `fits` is true; taken out of the queue.
    job_ptr pop(const fits_fn& fits);
    std::size_t size() const noexcept { return size_.load(); }
    std::vector<job_ptr> all() const;
    /// The first job of up to `limit` lanes, beginning where the last call ended.
    std::vector<job_ptr> heads(std::size_t limit);

private:
    using order = std::pair<std::uint8_t, std::uint64_t>;  // band, sequence
    using lane_key = std::pair<const predicate*, protocol_mask>;
    struct lane {
        predicate_ptr pred;
        std::map<order, job_ptr> jobs;
    };
    static order order_of(const job& j) noexcept;
    mutable std::mutex mutex_;
    std::map<lane_key, lane> lanes_;
    std::unordered_map<const job*, protocol_mask> where_;
    lane_key cursor_{};
    std::atomic<std::size_t> size_{0};
};

}  // namespace sigrun
