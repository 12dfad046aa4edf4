// cgroups of the v2 hierarchy for attempts, used again and again: to make one takes longer than to start a process.
//
// They hold no limits: they are how every process of an attempt is found, whatever became of its parents and its
// environment. Needs no controllers, so a hybrid machine's unified hierarchy will do. [any]
#pragma once

#include "descriptor.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::process {

/// One cgroup, held by the attempt that runs in it.
struct job_cgroup {
    std::string path;
    descriptor folder;
};

class group_pool {
public:
    /// Below the cgroup of this process. Where none can be made there, or they cannot be killed as a whole, the pool is
    /// without any; `why_not` says why.
    explicit group_pool(bool wanted);
    ~group_pool();
    group_pool(const group_pool&) = delete;
    group_pool& operator=(const group_pool&) = delete;

    const std::string& why_not() const noexcept { return why_not_; }
    /// Null when there are none.
    std::unique_ptr<job_cgroup> take();
    /// For a later attempt; one in which something could not be killed is left alone. `killed`: somebody may have written its
    /// cgroup.kill. Linux since 6.14 counts these orders and kills whoever is born into a cgroup with clone3 if its count is not
    /// that of the parent's, so such a one is never used again.
    void give_back(std::unique_ptr<job_cgroup> one, bool killed);

private:
    void remove_abandoned(const std::string& below) const;

    std::string root_;  // empty: none
    std::string why_not_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<job_cgroup>> free_;
    unsigned made_ = 0;
};

/// The cgroup that an earlier executor made; null when it is gone, and with it everybody who was in it.
std::unique_ptr<job_cgroup> open_group(const std::string& path);
/// KILL to everyone in it until nobody is left or two seconds are over. Returns whether it is empty.
bool empty_group(const job_cgroup& which);
/// Removes one that an earlier executor made.
void remove_group(const job_cgroup& which) noexcept;

}  // namespace sigrun::process
