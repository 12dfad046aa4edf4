// How many retries there may be at once, so that an outage is not made worse by them: of the retries after failures of the
// infrastructure at most a share of the other attempts under way, or a few where there is little else; for each requirement
// and in all. A retry counts from the failure on, through its backoff, until it has ended or has run for long enough to be an
// attempt like others; who is over the budget waits in line.
#pragma once

#include "kernel/job/job_class.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

/// [any]; under no lock of a waiter but where it says so.
class retry_budget {
public:
    static constexpr std::uint32_t k_least = 3;

    void set_share(double share) noexcept { share_.store(share, std::memory_order_relaxed); }

    /// An attempt that is no retry of the budget begins, and ends.
    void began(job_class& c) noexcept;
    void ended(job_class& c) noexcept;
    /// True: the retry is one of the budget. False: it waits in line, until `ready` returns it.
    bool take(const class_ptr& c, const waiter_ptr& who);
    /// A retry of the budget ended, or the job did before it began.
    void give(job_class& c);
    /// A retry of the budget has become an attempt like others.
    void proven(job_class& c);
    /// Whether some wait in line; for the hot path.
    bool denied_some() const noexcept { return denied_.load(std::memory_order_relaxed) != 0; }
    /// Those whose turn has come; each is one of the budget now, and given back if it is not wanted any more.
    std::vector<waiter_ptr> ready();
    /// Retries of the budget, and the attempts that it is measured by.
    std::pair<std::uint32_t, std::uint32_t> in_all() const;

private:
    std::uint32_t most(std::uint32_t attempts) const noexcept;
    bool has_room(const job_class& c) const noexcept;

    std::atomic<double> share_{0.2};
    std::atomic<std::uint32_t> attempts_{0};
    std::atomic<std::size_t> denied_{0};
    mutable std::mutex mutex_;
    std::uint32_t retries_ = 0;
    std::list<class_ptr> lines_;  // classes with somebody in line
};

}  // namespace sigrun
