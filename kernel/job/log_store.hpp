// Where the logs of jobs live: <state>/logs.
#pragma once

#include "kernel/base/id.hpp"
#include "kernel/job/job_log.hpp"

#include <atomic>

namespace sigrun {

class log_syncer;

class log_store {
public:
    /// Files go to <dir>/<last two digits of the id>/<id>.{log,idx,parts}. `limit`: bytes kept of each attempt.
    explicit log_store(std::string dir, std::uint64_t limit);
    ~log_store();
    std::shared_ptr<job_log> open(const id& job, log_home home = log_home::files) const;
    /// A log of one attempt alone, beside that of its job: <id>.<attempt>.{log,idx,parts}.
    std::shared_ptr<job_log> open(const id& job, std::uint32_t attempt, log_home home = log_home::files) const;
    /// For logs that are opened from now on.
    void set_limit(std::uint64_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }
    /// Removes the logs of jobs that nobody knows any more. Returns how many.
    std::size_t remove_unknown(const std::function<bool(const id&)>& known) const;
    log_syncer& syncer() const noexcept { return *syncer_; }

private:
    std::string dir_;
    std::atomic<std::uint64_t> limit_;
    std::unique_ptr<log_syncer> syncer_;
};

}  // namespace sigrun
