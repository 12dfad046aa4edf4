// What is mounted where, and how much room it has; the types decide first what may be asked.
#include "storage_probe.hpp"

#include <set>

namespace sigrun::storage {
namespace {

constexpr std::size_t k_max_text = 256, k_max_options = 32;

/// Mounts over parts of the kernel's folders, and the three files that every container has mounted.
bool of_no_use(std::string_view mount_point) noexcept {
    if (mount_point == "/etc/hosts" || mount_point == "/etc/hostname" || mount_point == "/etc/resolv.conf") return true;
    if (mount_point == "/dev/shm") return false;
    for (std::string_view top : {"/proc", "/sys", "/dev"})
        if (mount_point.starts_with(top) && (mount_point.size() == top.size() || mount_point[top.size()] == '/'))
            return true;
    return false;
}

/// The source of a mount without user name and password, where it is a URL.
std::string device_text(std::string_view source) {
    std::string out(source);
    const auto scheme = out.find("://");
    const auto at = out.rfind('@');
    if (scheme != out.npos && at != out.npos && at > scheme) out.erase(scheme + 3, at + 1 - (scheme + 3));
    return out.substr(0, k_max_text);
}

std::vector<std::string> option_set(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty() && out.size() < k_max_options) {
        const auto comma = list.find(',');
        if (const auto word = list.substr(0, comma); !word.empty()) out.emplace_back(word.substr(0, 64));
        list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
    }
    return out;
}

/// Whether files can share blocks, where the type alone decides it.
std::optional<bool> reflink(std::string_view type) noexcept {
    if (type == "btrfs" || type == "bcachefs") return true;
    for (std::string_view never :
         {"ext2", "ext3", "ext4", "tmpfs", "ramfs", "vfat", "exfat", "ntfs3", "squashfs", "iso9660", "erofs", "f2fs"})
        if (type == never) return false;
    return std::nullopt;
}

class listing {
public:
    listing(const sdk::sysroot& root, const machine_calls& calls) : root_(root), calls_(calls), mounts_({}) {}

    /// Reads the table again; the mount points that are shown.
    std::vector<std::string> names() {
        mounts_ = mount_table(root_.read("/proc/self/mountinfo"));
        shown_.clear();
        not_asked_ = 0;
        std::vector<std::string> out;
        std::set<std::string> seen;
        for (const auto& m : mounts_.all()) {
            if (kind_of(m.type) == mount_kind::hidden || of_no_use(m.mount_point)) continue;
            const auto way = mounts_.way_to(m.mount_point);
            if (way.empty() || way.back() != &m) continue;               // another is mounted over it
            if (!seen.insert(m.device + " " + m.root).second) continue;  // the same once more, at another place
            if (shown_.emplace(m.mount_point, &m).second) out.push_back(m.mount_point);
        }
        return out;
    }
    std::optional<sdk::record> read(const std::string& name) {
        const auto& m = *shown_.at(name);
        const auto kind = kind_of(m.type);
        sdk::record out;
        out.add("mount", std::string_view(m.mount_point).substr(0, k_max_text))
            .add("type", std::string_view(m.type).substr(0, 64))
            .add("device", device_text(m.source));
        if (kind == mount_kind::local && mounts_.waits_for(m.mount_point) == mount_kind::local) {
            if (calls_.space_of) {
                const auto room = calls_.space_of(m.mount_point);
                if (room.error == ENOENT) return std::nullopt;  // unmounted meanwhile
                if (room.error == 0) add_space(out, room.value);
            }
        } else if (const auto told = asked_apart(kind, m.mount_point)) {
            if (told->responsive && told->room.error == 0)
                add_space(out, told->room.value);
            else
                out.add("responsive", told->responsive);
        } else {
            ++not_asked_;
        }
        out.add("readonly", m.has_option("ro") || m.has_super_option("ro"));
        // What will be mounted at an automount point, and what an unknown type is, nobody can say.
        if (kind == mount_kind::local || kind == mount_kind::remote) out.add("remote", kind == mount_kind::remote);
        out.add("options", option_set(m.options));
        if (const auto can = reflink(m.type)) out.add("reflink", *can);
        return out;
    }
    std::size_t not_asked() const noexcept { return not_asked_; }
    std::vector<std::string> remote() {
        auto all = names();
        std::erase_if(all, [this](const auto& name) { return kind_of(shown_.at(name)->type) != mount_kind::remote; });
        return all;
    }

private:
    std::optional<remote_answer> asked_apart(mount_kind kind, const std::string& mount_point) const {
        if (kind != mount_kind::remote || !calls_.remote_answer_of) return std::nullopt;
        return calls_.remote_answer_of(mount_point);
    }
    static void add_space(sdk::record& out, const space& room) {
        if (room.total_bytes > 0)  // without a size there is no limit, or none that is told
            out.add("total_bytes", room.total_bytes).add("available_bytes", room.available_bytes);
        if (room.inodes > 0) out.add("inodes_free", room.inodes_free);
        out.add("responsive", true);
    }
    const sdk::sysroot& root_;
    const machine_calls& calls_;
    mount_table mounts_;
    std::map<std::string, const sdk::mount_entry*> shown_;
    std::size_t not_asked_ = 0;
};

}  // namespace

std::vector<std::string> shown_remote_mounts(const sdk::sysroot& root) { return listing(root, {}).remote(); }

void read_file_systems(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    sdk::fact_info info{.source = "/proc/self/mountinfo", .volatility = "fast", .ttl_s = 60};
    if (const auto file = root.read("/proc/self/mountinfo"); !file) return run.facts().missing("fs", file, info, "");
    if (calls.space_of) info.source = "/proc/self/mountinfo statvfs";
    listing list(root, calls);
    std::size_t not_asked = 0;
    const auto found = sdk::scan_devices(
        run,
        [&] {
            not_asked = list.not_asked();  // of the look that ends here
            return list.names();
        },
        [&](const std::string& name) { return list.read(name); });
    if (found.stopped) return;
    std::string detail;
    // Where remote mounts are asked apart, that list is the better one.
    if (!calls.remote_answer_of && not_asked > 0) info.confidence = 90;
    if (not_asked > 0) info.detail = detail = sdk::concat(not_asked, " not asked for their space: they could block");
    sdk::device_list(run.facts(), "fs", found, info);
}

}  // namespace sigrun::storage
