// Asks mounts that may never answer how much room they have, each from a process of its own: statvfs on a dead NFS, CIFS or FUSE
// mount cannot be interrupted (ansible/ansible#25046).
#pragma once

#include "storage_probe.hpp"

#include <chrono>
#include <map>

namespace sigrun::storage {

class remote_mounts {
public:
    static constexpr std::size_t k_most = 32;  // asked at once

    remote_mounts() = default;
    remote_mounts(const remote_mounts&) = delete;
    /// Ends what can be ended; what the kernel holds on to goes when the mount answers or goes.
    ~remote_mounts();

    /// Asks all at once; who has not answered after `limit` is ended and has a space of nothing: it does not respond. A mount
    /// whose process could not be ended is not asked again until that has gone. `go_on` is asked now and then. Returns by path.
    std::map<std::string, remote_answer> ask(const std::vector<std::string>& paths, std::chrono::milliseconds limit,
                                             const std::function<bool()>& go_on);
    /// Processes that could not be ended.
    std::size_t stuck() const noexcept { return stuck_.size(); }

private:
    std::map<std::string, int> stuck_;  // path -> pidfd
};

/// The fact fs with what remote mounts answer, if there is one; else absent, so that the fact of the other component holds.
void collect_remote(const sdk::sysroot& root, const machine_calls& calls, remote_mounts& workers,
                    std::chrono::milliseconds limit, sdk::probe_run& run);

}  // namespace sigrun::storage
