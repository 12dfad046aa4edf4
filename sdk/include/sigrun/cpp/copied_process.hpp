// sigrun/cpp/copied_process.hpp: a process that is a copy of the calling thread, for work that may hang in the kernel. See the rules
// for such a child in the probes that use it: system calls only, and it ends with exit_group.
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace sigrun::sdk {

/// [any] A copy of this thread as a process that sends no signal when it ends. 0 in the child; below 0: none was made. `pidfd` is the
/// caller's to close; a kernel without CLONE_PIDFD (before 5.2) leaves it as it was.
inline pid_t copy_process(int& pidfd) noexcept {
    const unsigned long flags = CLONE_PIDFD;
#if defined(__s390x__)
    return static_cast<pid_t>(::syscall(SYS_clone, 0UL, flags, &pidfd, nullptr, 0UL));
#else
    return static_cast<pid_t>(::syscall(SYS_clone, flags, 0UL, &pidfd, nullptr, 0UL));
#endif
}

}  // namespace sigrun::sdk
