#include "mount_table.hpp"

#include <set>

namespace sigrun::storage {
namespace {

constexpr std::string_view k_hidden[] = {
    "binfmt_misc", "bpf",     "cgroup",   "cgroup2", "configfs",        "cpuset",     "debugfs",     "devpts",
    "devtmpfs",    "dlmfs",   "efivarfs", "fusectl", "fuse.gvfsd-fuse", "fuse.lxcfs", "fuse.portal", "hugetlbfs",
    "mqueue",      "nfsd",    "nsfs",     "proc",    "pstore",          "resctrl",    "rpc_pipefs",  "securityfs",
    "selinuxfs",   "smackfs", "sysfs",    "tracefs", "rootfs"};
constexpr std::string_view k_local[] = {
    "apfs",     "bcachefs", "btrfs",    "cramfs", "erofs", "exfat", "ext2",   "ext3", "ext4",  "f2fs",    "hfs",
    "hfsplus",  "iso9660",  "jffs2",    "jfs",    "minix", "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs",
    "reiserfs", "romfs",    "squashfs", "tmpfs",  "ubifs", "udf",   "ufs",    "vfat", "xfs",   "zfs",     "zonefs"};
constexpr std::string_view k_remote[] = {"9p",    "acfs",   "afs",      "beegfs", "ceph",      "cifs",  "coda",
                                         "davfs", "fuse",   "fuseblk",  "gfs2",   "glusterfs", "gpfs",  "lustre",
                                         "ncpfs", "nfs",    "nfs4",     "ocfs2",  "orangefs",  "pvfs2", "smb3",
                                         "smbfs", "vboxsf", "virtiofs", "vmhgfs"};

template <std::size_t N>
bool has(const std::string_view (&list)[N], std::string_view word) noexcept {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

/// The part of `path` up to its next slash after the first `length` bytes, or all of it: "/", "/a", "/a/b".
std::string_view longer(std::string_view path, std::size_t length) noexcept {
    if (length == 0) return path.substr(0, 1);
    return path.substr(0, path.find('/', std::max<std::size_t>(length + 1, 2)));
}

/// The folder of a layered file system whose space it has: the upper one, or the first of the lower ones.
std::string layer_of(const sdk::mount_entry& mount) {
    for (std::string_view name : {"upperdir=", "lowerdir="}) {
        std::string_view rest = mount.super_options;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            auto word = rest.substr(0, comma);
            rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
            if (!word.starts_with(name)) continue;
            word.remove_prefix(name.size());
            return sdk::unescape_mount(word.substr(0, word.find(':')));
        }
    }
    return {};
}

}  // namespace

mount_kind kind_of(std::string_view type) noexcept {
    if (type == "autofs") return mount_kind::automount;
    if (has(k_hidden, type)) return mount_kind::hidden;
    if (has(k_local, type)) return mount_kind::local;
    if (has(k_remote, type) || type.starts_with("fuse.")) return mount_kind::remote;
    return mount_kind::unknown;
}

mount_table::mount_table(sdk::file_text mountinfo)
    : file_(std::move(mountinfo)), mounts_(sdk::parse_mountinfo(file_.text)) {
    std::set<std::uint64_t> ids;
    for (const auto& m : mounts_) ids.insert(m.id);
    for (std::size_t i = 0; i < mounts_.size(); ++i) {
        const auto& m = mounts_[i];
        auto& to = m.parent == m.id || !ids.contains(m.parent) ? first_ : on_[m.parent];
        to.insert_or_assign(m.mount_point, i);
    }
}

std::vector<const sdk::mount_entry*> mount_table::way_to(std::string_view path) const {
    std::vector<const sdk::mount_entry*> way;
    const places* next = &first_;
    std::string_view walked = longer(path, 0);
    // A table that makes sense has no circles; the count ends those of one that does not.
    while (way.size() < mounts_.size()) {
        // Whoever walks along the path meets the mount with the shortest mount point first.
        auto met = next->find(walked);
        while (met == next->end() && walked.size() < path.size()) {
            walked = longer(path, walked.size());
            met = next->find(walked);
        }
        if (met == next->end()) break;
        way.push_back(&mounts_[met->second]);
        const auto at = on_.find(way.back()->id);
        if (at == on_.end()) break;
        next = &at->second;
    }
    return way;
}

mount_kind mount_table::waits_for(std::string_view path, int& layers) const {
    const auto way = way_to(path);
    if (way.empty()) return mount_kind::unknown;
    for (const auto* m : way) {
        const auto kind = kind_of(m->type);
        if (kind == mount_kind::remote || kind == mount_kind::automount) return kind;
        if (m->type != "overlay" || layers == 0) continue;
        // In a container the layers lie outside of what can be seen; then this says what is at the same place here, which
        // may be the overlay itself. Hence the limit.
        const auto layer = layer_of(*m);
        if (layer.empty() || layer.front() != '/') continue;
        --layers;
        const auto below = waits_for(layer, layers);
        if (below == mount_kind::remote || below == mount_kind::automount) return below;
    }
    return kind_of(way.back()->type);
}

}  // namespace sigrun::storage
