#include "search.hpp"

#include <sigrun/cpp/mountinfo.hpp>

#include <set>
#include <tuple>

namespace sigrun::software {
namespace {

constexpr int k_max_links = 16;
constexpr std::size_t k_max_homes = 16;

constexpr std::string_view k_usual_folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",         "/usr/bin",
                                                "/sbin",           "/bin",           "/usr/local/go/bin", "/snap/bin"};

bool reaches_elsewhere(std::string_view type) noexcept {
    for (std::string_view t : {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs",
                               "autofs", "gpfs", "beegfs", "ncpfs"})
        if (type == t) return true;
    return type.starts_with("fuse");  // fuse.sshfs, and whatever else a user may have mounted
}

/// The mounts of the machine, to tell on which kind of file system a path lies.
class mount_table {
public:
    explicit mount_table(const sdk::sysroot& root)
        : mounts_(sdk::parse_mountinfo(root.read("/proc/self/mountinfo").text)) {}
    bool remote(std::string_view path) const noexcept {
        const sdk::mount_entry* deepest = nullptr;
        for (const auto& m : mounts_) {
            const bool above = m.mount_point == "/" || path == m.mount_point ||
                               (path.starts_with(m.mount_point) && path.substr(m.mount_point.size()).starts_with('/'));
            // The later of two mounts on one point hides the earlier.
            if (above && (!deepest || m.mount_point.size() >= deepest->mount_point.size())) deepest = &m;
        }
        return deepest && reaches_elsewhere(deepest->type);
    }

private:
    std::vector<sdk::mount_entry> mounts_;
};

/// Without "." and "..", which a link may begin with; ".." of the top is the top.
std::string plain_path(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        const auto part = path.substr(0, slash);
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
    std::string out;
    for (auto part : parts) (out += '/') += part;
    return out.empty() ? "/" : out;
}

std::string_view file_name(std::string_view path) noexcept { return path.substr(path.rfind('/') + 1); }

/// Follows the links of the last component, and notes their names. Links among the folders above do not matter here.
void follow(const sdk::sysroot& root, found_program& program) {
    program.target = program.path;
    program.names.emplace_back(file_name(program.path));
    for (int i = 0; i < k_max_links; ++i) {
        const auto link = root.link(program.target);
        if (!link || link.text.empty() || link.text.size() > k_max_path) return;
        program.target = plain_path(
            link.text.front() == '/' ? link.text : program.target.substr(0, program.target.rfind('/') + 1) + link.text);
        program.names.emplace_back(file_name(program.target));
    }
}

void add_folder(const sdk::sysroot& root, const mount_table& mounts, std::string_view folder,
                std::set<std::pair<dev_t, ino_t>>& seen, std::vector<std::string>& out) {
    if (folder.empty() || folder.front() != '/' || folder.size() > k_max_path || out.size() >= k_max_folders) return;
    const std::string path = plain_path(folder);
    if (mounts.remote(path)) return;
    const auto info = root.stat(path);
    if (info && S_ISDIR(info->st_mode) && seen.emplace(info->st_dev, info->st_ino).second) out.push_back(path);
}

}  // namespace

bool in_shims(std::string_view path) noexcept {
    const auto folder = path.substr(0, std::min(path.rfind('/'), path.size()));
    return file_name(folder) == "shims";
}

std::vector<std::string> program_folders(const sdk::sysroot& root, const machine_calls& calls,
                                         const std::vector<std::string>& more) {
    const mount_table mounts(root);
    std::set<std::pair<dev_t, ino_t>> seen;
    std::vector<std::string> out;
    const std::string path = calls.path ? calls.path() : std::string();
    for (std::string_view rest = path; !rest.empty();) {
        const auto colon = std::min(rest.find(':'), rest.size());
        add_folder(root, mounts, rest.substr(0, colon), seen, out);
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    for (auto folder : k_usual_folders) add_folder(root, mounts, folder, seen, out);
    std::size_t homes = 0;
    for (const auto& name : root.list("/usr/lib/jvm"))
        if (++homes <= k_max_homes) add_folder(root, mounts, "/usr/lib/jvm/" + name + "/bin", seen, out);
    for (const auto& folder : more) add_folder(root, mounts, folder, seen, out);
    return out;
}

search_result search(const sdk::sysroot& root, const std::vector<std::string>& folders) {
    search_result result;
    result.folders = folders.size();
    std::set<std::tuple<std::string_view, std::string_view, dev_t, ino_t>> seen;
    for (const auto& folder : folders) {
        const auto names = root.list(folder);
        result.cut |= names.size() >= sdk::sysroot::k_max_entries;
        for (const auto& name : names) {
            const auto* what = known(name);
            if (!what) continue;
            found_program program;
            program.what = what;
            program.path = (folder == "/" ? "" : folder) + "/" + name;
            if (program.path.size() > k_max_path) continue;
            if (in_shims(program.path) && name != what->program) continue;
            const auto info = root.stat(program.path);
            if (!info || !S_ISREG(info->st_mode) || !(info->st_mode & 0111)) continue;
            if (!seen.emplace(what->lang, what->tool, info->st_dev, info->st_ino).second) continue;
            if (result.programs.size() >= k_max_programs) {
                result.cut = true;
                continue;
            }
            program.info = *info;
            follow(root, program);
            result.programs.push_back(std::move(program));
        }
    }
    std::stable_sort(result.programs.begin(), result.programs.end(), [](const auto& a, const auto& b) {
        return std::tie(a.what->lang, a.what->tool) < std::tie(b.what->lang, b.what->tool);
    });
    return result;
}

}  // namespace sigrun::software
