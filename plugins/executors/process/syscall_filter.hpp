// The system calls that a job with isolation.syscalls = filtered may not make: those that change the machine, its kernel or its
// clock, that make name spaces, and that reach into other processes. They fail with EPERM; everything else works.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun::process {

struct syscall_filter {
    std::vector<std::uint64_t> program;  // of BPF, as SECCOMP_SET_MODE_FILTER takes it
    std::string why_not;                 // there is none
};

/// Built once by libseccomp, for this processor's calls and those of its 32-bit programs. [any]
const syscall_filter& job_syscall_filter();

}  // namespace sigrun::process
