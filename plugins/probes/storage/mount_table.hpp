// The mounts of this process: what each is, and which of them a path leads over.
#pragma once

#include <sigrun/cpp/mountinfo.hpp>

#include <map>

namespace sigrun::storage {

enum class mount_kind {
    hidden,     // of the kernel's own making: proc, sysfs, cgroup ...
    local,      // on this machine: asking for its space answers at once
    remote,     // served by another machine or by a process; asking may block for ever
    automount,  // a place where something is mounted once somebody looks
    unknown
};
/// By the type's name in mountinfo: "ext4", "nfs4", "fuse.sshfs".
mount_kind kind_of(std::string_view type) noexcept;

class mount_table {
public:
    explicit mount_table(sdk::file_text mountinfo);
    const sdk::file_text& file() const noexcept { return file_; }
    const std::vector<sdk::mount_entry>& all() const noexcept { return mounts_; }

    /// The mounts on the way from / to `path` (absolute, without dots), the one that it lies on last.
    std::vector<const sdk::mount_entry*> way_to(std::string_view path) const;
    /// The kind of what a look at `path` could have to wait for: remote or automount if any mount on its way is, else
    /// that of the last one. A layered file system counts as what its upper layer lies on.
    mount_kind waits_for(std::string_view path) const {
        int layers = 16;
        return waits_for(path, layers);
    }

private:
    mount_kind waits_for(std::string_view path, int& layers) const;
    sdk::file_text file_;
    std::vector<sdk::mount_entry> mounts_;
    using places = std::map<std::string, std::size_t, std::less<>>;  // mount point -> mount; of two the later is on top
    std::map<std::uint64_t, places> on_;                             // by what they are mounted on
    places first_;                                                   // on nothing that is visible
};

}  // namespace sigrun::storage
