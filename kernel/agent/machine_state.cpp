#include "kernel/agent/machine_state.hpp"

#include "kernel/base/quantity.hpp"

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/procfs.hpp>

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace sigrun {
namespace {

constexpr std::string_view k_limits[] = {"/memory.max", "/memory.limit_in_bytes"};
constexpr std::string_view k_usages[] = {"/memory.current", "/memory.usage_in_bytes"};
constexpr std::string_view k_droppable[] = {"inactive_file", "total_inactive_file"};

// Up to the lowest limit that holds for this process. Cached files are dropped before anything fails.
std::optional<std::uint64_t> left_in_cgroup(const sdk::sysroot& machine) {
    const auto limit = sdk::cgroup_view(machine).memory_max();
    if (!limit.value) return std::nullopt;
    const int v1 = limit.source.ends_with(k_limits[0]) ? 0 : 1;
    if (!limit.source.ends_with(k_limits[v1])) return std::nullopt;
    const auto folder = limit.source.substr(0, limit.source.size() - k_limits[v1].size());
    const auto used = sdk::parse_u64(machine.read(folder + std::string(k_usages[v1])).text);
    if (!used) return std::nullopt;
    std::uint64_t droppable = 0;
    const auto stat = machine.read(folder + "/memory.stat");
    std::string_view rest = stat.text, line;
    while (sdk::next_line(rest, line))
        if (sdk::next_word(line) == k_droppable[v1]) droppable = sdk::parse_u64(line).value_or(0);
    const auto held = *used - std::min(*used, droppable);
    return *limit.value - std::min(*limit.value, held);
}

std::optional<double> load_of(std::string_view loadavg) {
    double load = 0;
    const auto [end, error] = std::from_chars(loadavg.data(), loadavg.data() + loadavg.size(), load);
    if (error != std::errc()) return std::nullopt;
    return load / static_cast<double>(std::max<long>(::sysconf(_SC_NPROCESSORS_ONLN), 1));
}

std::string two_places(double n) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", n);
    return text;
}

problem too_little(std::string message, std::string_view option, std::string expected, std::string found) {
    return {errc::unavailable, std::move(message), std::string(option), std::move(expected), std::move(found)};
}

}  // namespace

machine_state read_machine(const std::string& workspaces, const std::string& root) {
    machine_state now;
    struct statvfs disk {};
    if (::statvfs(workspaces.c_str(), &disk) == 0) {
        now.disk_free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
        if (disk.f_files > 0) now.inodes_free = disk.f_favail;  // others make them as they are needed
    }
    const sdk::sysroot machine(root);
    now.memory = sdk::meminfo_bytes(machine.read("/proc/meminfo").text, "MemAvailable");
    if (const auto left = left_in_cgroup(machine)) now.memory = std::min(now.memory.value_or(*left), *left);
    now.load = load_of(machine.read("/proc/loadavg").text);
    return now;
}

std::optional<problem> what_is_missing(const machine_state& has, const machine_needs& needs,
                                       const std::string& workspaces) {
    if (has.disk_free && *has.disk_free < needs.min_free_disk)
        return too_little("too little disk space", "min_free_disk",
                          "at least " + format_size(needs.min_free_disk) + " below " + workspaces,
                          format_size(*has.disk_free));
    if (has.inodes_free && *has.inodes_free < needs.min_free_inodes)
        return too_little("too few free inodes", "min_free_inodes",
                          "at least " + std::to_string(needs.min_free_inodes) + " below " + workspaces,
                          std::to_string(*has.inodes_free));
    if (has.memory && *has.memory < needs.min_free_memory)
        return too_little("too little memory", "min_free_memory", "at least " + format_size(needs.min_free_memory),
                          format_size(*has.memory));
    if (has.load && needs.max_load > 0 && *has.load > needs.max_load)
        return too_little("too much load", "max_load", "at most " + two_places(needs.max_load) + " per processor",
                          two_places(*has.load));
    return std::nullopt;
}

}  // namespace sigrun
