// Another process in this one's memory, as of vfork, but born in a cgroup and on a stack of its own.
//
// A fork copies the page tables, and then each page that either process writes to: for a program as small as this one that takes
// longer than all else it does for a job.
#pragma once

#include <linux/sched.h>
#include <sys/types.h>

#include <cstddef>

namespace sigrun::shim {

/// Bytes of the caller's stack that the other process may use.
inline constexpr std::size_t k_shared_stack = 64 * 1024;

/// Starts `child(what)` in a process that shares this one's memory and nothing else, and sleeps until it has executed a program
/// or ended. `child` must not return, allocate, or take a lock: it may be killed at any point, and what it leaves stays.
/// All signals must be blocked, so that no handler runs in it. `how` as of clone3; its flags are added to.
/// The process's number, or -1 with errno: ENOSYS where this machine's registers are not known here.
pid_t clone_sharing(clone_args how, void (*child)(void*), void* what);

}  // namespace sigrun::shim
