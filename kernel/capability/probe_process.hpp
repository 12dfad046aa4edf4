// The process a probe runs in: this program started again, in a process group of its own that ends with it, with a socket to
// speak over and an open copy of the plugin. Always waited for: no zombie is left, but one that cannot be ended.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/guard/private_file.hpp"

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

namespace sigrun {

class probe_process {
public:
    /// `program` calls run_as_probe_host; `plugin` is open for reading. `socket` becomes our end. The calling thread must
    /// live longer than the child, which is killed at the thread's end. Takes about a millisecond.
    static result<std::unique_ptr<probe_process>> start(const std::string& program, int plugin, owned_fd& socket);
    /// Kills it and waits a moment; a process that does not end even so is left to the system.
    ~probe_process();
    probe_process(const probe_process&) = delete;
    probe_process& operator=(const probe_process&) = delete;

    pid_t id() const noexcept { return pid_; }
    /// With everything it started and that is still in its group.
    void kill() noexcept;
    /// Its wait status once it is gone, and then always; does not wait.
    std::optional<int> look() noexcept;

private:
    explicit probe_process(pid_t pid) : pid_(pid) {}
    const pid_t pid_;
    std::optional<int> status_;
};

struct process_usage {
    std::size_t resident_bytes = 0, descriptors = 0;
};
/// Of a process of this user; nothing of one that is gone.
process_usage usage_of(pid_t pid);

/// "by itself, with exit code 3", "by a signal: Segmentation fault".
std::string how_it_ended(int wait_status);

}  // namespace sigrun
