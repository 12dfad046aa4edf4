// The process that holds an attempt's name spaces: made first, joined by every step, gone after the last one.
//
// In a PID name space it is the init: it waits for whoever loses his parent there, and when it is killed the kernel kills
// everybody in it. Name spaces take CAP_SYS_ADMIN.
#pragma once

#include "plan.hpp"

#include <sys/types.h>

namespace sigrun::shim {

class keeper {
public:
    keeper() = default;
    keeper(const keeper&) = delete;
    keeper& operator=(const keeper&) = delete;

    /// Makes them and what belongs into them. 0, or errno; then there is no keeper.
    int begin(const plan& what);
    /// In a step's child: joins them. 0, or errno.
    int enter() const noexcept;
    /// What a step's child sees as its parent: not the shim, if it is born in another PID name space.
    pid_t seen_parent(pid_t shim) const noexcept { return own_pids_ ? 0 : shim; }

    /// Of no process, before and after.
    pid_t pid() const noexcept { return pid_; }
    void ended() noexcept { pid_ = 0; }
    /// No more steps: it ends as soon as nobody else is in its PID name space.
    void let_go() noexcept;

private:
    pid_t pid_ = 0;
    int pidfd_ = -1;
    int hold_ = -1;   // it ends when this is closed
    int joined_ = 0;  // CLONE_NEW* that a step joins by itself
    bool own_pids_ = false;
};

}  // namespace sigrun::shim
