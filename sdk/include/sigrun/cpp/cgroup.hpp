// sigrun/cpp/cgroup.hpp: where this process stands in the cgroup trees, and the limits that hold for it.
// Header-only.
//
// A limit is the lowest one over the own group and every ancestor that can be seen: a leaf that says "max" is
// not unlimited (openjdk/jdk#20646). Works on v1, v2 and hybrid layouts, inside and outside cgroup name
// spaces. A file that cannot be read or understood makes the answer unknown, because the limit in it could be
// the lowest.
#pragma once

#include <sigrun/cpp/cpulist.hpp>
#include <sigrun/cpp/mountinfo.hpp>

namespace sigrun::sdk {

enum class cgroup_mode { none, v1, v2, hybrid };

/// One line of /proc/self/cgroup: "4:cpu,cpuacct:/user.slice" or "0::/user.slice" (v2: no controllers).
struct cgroup_line {
    std::uint64_t hierarchy = 0;
    std::string controllers;
    std::string path;

    bool has(std::string_view controller) const noexcept {
        std::string_view rest = controllers;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (rest.substr(0, comma) == controller) return true;
            rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
        }
        return false;
    }
};

/// Lines of another form are skipped.
inline std::vector<cgroup_line> parse_proc_cgroup(std::string_view text) {
    std::vector<cgroup_line> lines;
    std::string_view line;
    while (next_line(text, line)) {
        const auto one = line.find(':');
        const auto two = one == line.npos ? line.npos : line.find(':', one + 1);
        if (two == line.npos) continue;
        const auto number = parse_u64(line.substr(0, one));
        const auto path = line.substr(two + 1);
        if (!number || path.empty() || path.front() != '/' || path.size() > 4096) continue;
        lines.push_back({*number, std::string(line.substr(one + 1, two - one - 1)), std::string(path)});
    }
    return lines;
}

/// What a search for the lowest limit found. status ok without value: no limit.
template <class T>
struct cgroup_limit {
    read_status status = read_status::ok;
    std::optional<T> value;
    std::string source;  // file of the lowest limit, or the file that could not be understood
    std::string detail;
    bool seen = false;  // at least one file said something

    void offer(T candidate, const std::string& file) {
        seen = true;
        if (value && *value <= candidate) return;
        value = candidate;
        if (status == read_status::ok) source = file;
    }
    void broken(read_status why, const std::string& file, std::string text) {
        if (status != read_status::ok) return;
        status = why;
        source = file;
        detail = std::move(text);
    }
    void unreadable(const file_text& file) { broken(file.status, file.path, file.why()); }
    void nonsense(const file_text& file) { broken(read_status::error, file.path, "not understood"); }
};

class cgroup_view {
public:
    /// Reads /proc/self/cgroup and /proc/self/mountinfo. `root` must outlive the view.
    explicit cgroup_view(const sysroot& root) : root_(root) {
        const auto mountinfo = root.read("/proc/self/mountinfo");
        for (auto& m : parse_mountinfo(mountinfo.text))
            if (m.type == "cgroup" || m.type == "cgroup2") mounts_.push_back(std::move(m));
        lines_ = parse_proc_cgroup(root.read("/proc/self/cgroup").text);
        bool one = false, two = false;
        for (const auto& m : mounts_) (m.type == "cgroup" ? one : two) = true;
        mode_ = one && two ? cgroup_mode::hybrid : one ? cgroup_mode::v1 : two ? cgroup_mode::v2 : cgroup_mode::none;
    }

    cgroup_mode mode() const noexcept { return mode_; }

    /// The version whose hierarchy manages `controller` for this process: 1, 2, or 0 for none.
    int version(std::string_view controller) const noexcept {
        if (v1_line(controller) && best_mount(controller, v1_line(controller)->path)) return 1;
        return v2_line() && best_mount({}, v2_line()->path) ? 2 : 0;
    }
    /// The process's path as /proc/self/cgroup tells it; empty if it has none.
    std::string_view path(std::string_view controller) const noexcept {
        const int v = version(controller);
        return v == 0 ? std::string_view() : v == 1 ? v1_line(controller)->path : v2_line()->path;
    }
    /// Folders from the own group up to the top of what is mounted, nearest first.
    std::vector<std::string> chain(std::string_view controller) const {
        const int v = version(controller);
        if (v == 0) return {};
        const cgroup_line* line = v == 1 ? v1_line(controller) : v2_line();
        const mount_entry* mount = best_mount(v == 1 ? controller : std::string_view(), line->path);
        return folders(*mount, line->path);
    }

    /// Processors' worth of time per second: lowest cpu.max, or cpu.cfs_quota_us / cpu.cfs_period_us.
    cgroup_limit<double> cpu_quota() const {
        cgroup_limit<double> limit;
        const bool v1 = version("cpu") == 1;
        for (const auto& folder : chain("cpu")) {
            const auto file = root_.read(folder + (v1 ? "/cpu.cfs_quota_us" : "/cpu.max"), k_small);
            if (file.status == read_status::absent) continue;  // the top group has no limit file
            if (!file) {
                limit.unreadable(file);
                continue;
            }
            std::string_view rest = file.text;
            const auto quota = next_word(rest);
            if (quota == (v1 ? "-1" : "max")) {
                limit.seen = true;
                continue;
            }
            std::optional<std::uint64_t> period;
            if (v1) {
                const auto period_file = root_.read(folder + "/cpu.cfs_period_us", k_small);
                if (!period_file) {
                    limit.unreadable(period_file);
                    continue;
                }
                period = parse_u64(period_file.text);
            } else {
                period = parse_u64(next_word(rest));
            }
            const auto microseconds = parse_u64(quota);
            if (microseconds && period && *microseconds > 0 && *period > 0)
                limit.offer(static_cast<double>(*microseconds) / static_cast<double>(*period), file.path);
            else
                limit.nonsense(file);
        }
        return limit;
    }

    /// Processors the cpuset controller leaves to the process.
    cgroup_limit<std::size_t> cpuset(cpu_set& allowed) const {
        cgroup_limit<std::size_t> limit;
        const bool v1 = version("cpuset") == 1;
        for (const auto& folder : chain("cpuset")) {
            auto file = root_.read(folder + (v1 ? "/cpuset.effective_cpus" : "/cpuset.cpus.effective"), k_list);
            if (v1 && file.status == read_status::absent) file = root_.read(folder + "/cpuset.cpus", k_list);
            if (file.status == read_status::absent) continue;
            if (!file) {
                limit.unreadable(file);
                continue;
            }
            const auto set = parse_cpulist(file.text);
            if (!set) {
                limit.nonsense(file);
                continue;
            }
            if (set->empty()) continue;  // an unconfigured v1 group
            allowed = limit.value ? allowed & *set : *set;
            limit.offer(allowed.count(), file.path);
        }
        return limit;
    }

    /// Lowest memory.max (v2) or memory.limit_in_bytes (v1; there also what memory.stat says of unseen
    /// ancestors).
    cgroup_limit<std::uint64_t> memory_max() const {
        const bool v1 = version("memory") == 1;
        auto limit = lowest_bytes("memory", v1 ? "memory.limit_in_bytes" : "memory.max");
        if (v1) {
            const auto folders_seen = chain("memory");
            const auto stat =
                folders_seen.empty() ? file_text{} : root_.read(folders_seen.front() + "/memory.stat", k_list);
            std::string_view rest = stat.text, line;
            while (next_line(rest, line)) {
                if (next_word(line) != "hierarchical_memory_limit") continue;
                if (auto bytes = parse_u64(line); bytes && *bytes < k_v1_unlimited) limit.offer(*bytes, stat.path);
            }
        }
        return limit;
    }
    /// Lowest memory.high: above it the kernel slows the group down. v2 only.
    cgroup_limit<std::uint64_t> memory_high() const {
        return version("memory") == 2 ? lowest_bytes("memory", "memory.high") : cgroup_limit<std::uint64_t>{};
    }
    cgroup_limit<std::uint64_t> pids_max() const { return lowest_bytes("pids", "pids.max"); }

private:
    static constexpr std::size_t k_small = 4096, k_list = 64 * 1024;
    /// v1 writes "no limit" as LONG_MAX rounded down to a page, which depends on the page size.
    static constexpr std::uint64_t k_v1_unlimited = std::uint64_t{1} << 62;

    cgroup_limit<std::uint64_t> lowest_bytes(std::string_view controller, std::string_view name) const {
        cgroup_limit<std::uint64_t> limit;
        for (const auto& folder : chain(controller)) {
            const auto file = root_.read(folder + "/" + std::string(name), k_small);
            if (file.status == read_status::absent) continue;
            if (!file) {
                limit.unreadable(file);
            } else if (file.trim() == "max" || file.trim() == "-1") {
                limit.seen = true;
            } else if (const auto n = parse_u64(file.text)) {
                limit.seen = true;
                if (*n < k_v1_unlimited) limit.offer(*n, file.path);
            } else {
                limit.nonsense(file);
            }
        }
        return limit;
    }

    const cgroup_line* v1_line(std::string_view controller) const noexcept {
        for (const auto& line : lines_)
            if (line.has(controller)) return &line;
        return nullptr;
    }
    const cgroup_line* v2_line() const noexcept {
        for (const auto& line : lines_)
            if (line.hierarchy == 0 && line.controllers.empty()) return &line;
        return nullptr;
    }
    static bool below(std::string_view path, std::string_view top) noexcept {
        return top == "/" || path == top || (path.starts_with(top) && path[top.size()] == '/');
    }
    /// The mount through which `path` is seen: the one that shows the deepest part, then the usual place,
    /// then the latest. Empty controller: v2.
    const mount_entry* best_mount(std::string_view controller, std::string_view path) const noexcept {
        const mount_entry* best = nullptr;
        auto rank = [&](const mount_entry& m) {
            return (below(path, m.root) ? m.root.size() * 2 : 0) +
                   (m.mount_point.starts_with("/sys/fs/cgroup") ? 1 : 0);
        };
        for (const auto& m : mounts_) {
            const bool fits =
                controller.empty() ? m.type == "cgroup2" : m.type == "cgroup" && m.has_super_option(controller);
            if (fits && (!best || rank(m) >= rank(*best))) best = &m;
        }
        return best;
    }
    /// In a container the path may be the host's and the mount show only the container's part, or the other
    /// way round, and a group may be gone: then the nearest ancestor that is there, at last the top of the
    /// mount.
    std::vector<std::string> folders(const mount_entry& mount, std::string path) const {
        std::string inside;
        if (below(path, mount.root)) inside = mount.root == "/" ? path : path.substr(mount.root.size());
        if (inside == "/" || inside.find("/..") != inside.npos) inside.clear();
        while (!inside.empty() && root_.probe(mount.mount_point + inside) == read_status::absent)
            inside.resize(inside.rfind('/'));
        std::vector<std::string> out;
        while (!inside.empty()) {
            out.push_back(mount.mount_point + inside);
            inside.resize(inside.rfind('/'));
        }
        out.push_back(mount.mount_point);
        return out;
    }

    const sysroot& root_;
    std::vector<mount_entry> mounts_;
    std::vector<cgroup_line> lines_;
    cgroup_mode mode_ = cgroup_mode::none;
};

}  // namespace sigrun::sdk
