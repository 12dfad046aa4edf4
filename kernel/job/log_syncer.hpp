// Brings the output of jobs to the disk, and tells when it is there.
//
// A thread of its own, from the first request on: waiting for a disk takes milliseconds, and meanwhile more output collects for
// the next round. A round of a few logs waits for each; one of many waits for the file system as a whole, which takes about as
// long as one of them does.
#pragma once

#include "kernel/job/job_log.hpp"

#include <condition_variable>
#include <map>
#include <thread>

namespace sigrun {

class log_syncer {
public:
    using callback = std::function<void()>;
    static constexpr std::size_t k_few = 16;  // logs of one round

    explicit log_syncer(std::string dir) : dir_(std::move(dir)) {}
    ~log_syncer() { stop(); }

    /// Runs `done` on the thread of this object once all that `log` has now is on the disk. While the disk refuses, it is
    /// asked again each second. [any] never blocks.
    void sync(const std::shared_ptr<job_log>& log, callback done);
    /// The same for who only needs to know of the newest: `done` takes the place of an earlier one of the same log that
    /// still waits.
    void sync_newest(const std::shared_ptr<job_log>& log, callback done);
    /// What waits is tried once more; what is asked from now on, or refused by the disk, is never answered. [ctl]
    void stop();

private:
    struct request {
        std::shared_ptr<job_log> log;
        callback newest;
        std::vector<callback> others;
    };
    using requests = std::map<const job_log*, request>;
    request& ask_for(const std::shared_ptr<job_log>& log);  // under the lock
    void work();
    void round(requests some);
    bool sync_all() const;  // the whole file system of the logs

    const std::string dir_;
    std::mutex mutex_;
    std::condition_variable changed_;
    requests waiting_;
    bool refused_ = false;  // the last round was, at least in part
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace sigrun
