// What the storage probe reads: block devices, mounted file systems, and the folder that jobs work in. Pure but for the
// files below the sysroot and the call table.
#pragma once

#include "mount_table.hpp"

#include <sigrun/cpp/device_list.hpp>
#include <sigrun/cpp/work_place.hpp>

#include <functional>

namespace sigrun::storage {

struct space {
    std::uint64_t total_bytes = 0, available_bytes = 0, inodes = 0, inodes_free = 0;
};
/// What a call answered: a value, or an errno.
template <class T>
struct answer {
    int error = 0;
    T value{};
};
/// What became of a question to a mount that may never answer.
struct remote_answer {
    bool responsive = false;
    answer<space> room;
};
/// statvfs, by system calls alone.
answer<space> space_at(const char* path) noexcept;

/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<answer<space>(const std::string& path)> space_of;          // statvfs
    std::function<answer<std::uint64_t>(const std::string& path)> quota_of;  // of the own user; 0 = no limit
    /// Of a mount that was asked apart; nothing for one that was not. Without it remote mounts are not asked.
    std::function<std::optional<remote_answer>(const std::string& path)> remote_answer_of{};
};
using sdk::work_place;
machine_calls live_calls();

void read_blocks(const sdk::sysroot& root, sdk::probe_run& run);
/// Mount points of remote file systems that the fact fs shows.
std::vector<std::string> shown_remote_mounts(const sdk::sysroot& root);
void read_file_systems(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run);
/// An empty path: it is not known where jobs work.
void read_work(const sdk::sysroot& root, const mount_table& mounts, const machine_calls& calls, const work_place& place,
               sdk::fact_writer& facts);

inline void collect(const sdk::sysroot& root, const machine_calls& calls, const work_place& place,
                    sdk::probe_run& run) {
    const mount_table mounts(root.read("/proc/self/mountinfo"));
    read_work(root, mounts, calls, place, run.facts());
    if (!run.go_on()) return;
    read_blocks(root, run);
    if (!run.go_on()) return;
    read_file_systems(root, calls, run);
}

}  // namespace sigrun::storage
