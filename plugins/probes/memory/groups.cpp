// The cgroup this process lives in.
#include "memory_probe.hpp"

namespace sigrun::memory {
namespace {

constexpr std::uint32_t k_ttl_s = 30;
constexpr std::size_t k_max_limits = 64;

/// Limits of the v1 controller as v2 writes them: "8:0 rbps=1048576".
void v1_io_limits(const sdk::sysroot& root, const std::string& group, std::vector<std::string>& limits) {
    for (const auto& [name, word] : {std::pair{"read_bps", "rbps"}, std::pair{"write_bps", "wbps"},
                                     std::pair{"read_iops", "riops"}, std::pair{"write_iops", "wiops"}}) {
        const auto file = root.read(group + "/blkio.throttle." + name + "_device", 64 * 1024);
        std::string_view rest = file.text, line;
        while (sdk::next_line(rest, line) && limits.size() < k_max_limits) {
            const auto w = sdk::words(line);
            if (w.size() == 2 && sdk::parse_u64(w[1]) && w[0].find(':') != w[0].npos && w[0].size() <= 16)
                limits.push_back(std::string(w[0]) + " " + word + "=" + std::string(w[1]));
        }
    }
}

/// All limits of the own group and its ancestors, nearest first: "8:0 rbps=1048576 wiops=120; 8:16 rbps=2097152".
void io_limits(const sdk::sysroot& root, const sdk::cgroup_view& groups, sdk::fact_writer& facts) {
    const bool v1 = groups.version("blkio") == 1;
    const auto chain = groups.chain(v1 ? "blkio" : "io");
    const sdk::fact_info info{.source = chain.empty() ? std::string_view("/proc/self/cgroup") : chain.front(),
                              .volatility = "slow",
                              .ttl_s = k_ttl_s};
    std::vector<std::string> limits;
    for (const auto& group : chain) {
        if (v1) {
            v1_io_limits(root, group, limits);
            continue;
        }
        const auto file = root.read(group + "/io.max", 64 * 1024);
        if (!file && file.status != sdk::read_status::absent) return facts.missing("cgroup.io_max", file, info, "");
        std::string_view rest = file.text, line;
        while (sdk::next_line(rest, line) && limits.size() < k_max_limits)
            if (const auto text = sdk::trimmed(line); text.find('=') != text.npos)
                limits.emplace_back(text.substr(0, 128));
    }
    auto about = info;
    about.detail = "no group limits input and output";
    if (limits.empty()) return facts.none("cgroup.io_max", "absent", about);
    std::string all;
    for (const auto& limit : limits) all += (all.empty() ? "" : "; ") + limit;
    facts.ok("cgroup.io_max", all, info);
}

/// May this process make groups below its own and move processes there?
void delegation(const sdk::cgroup_view& groups, int version, const machine_calls& calls, sdk::fact_writer& facts) {
    const auto own = groups.chain("memory").front();
    const sdk::fact_info info{.source = own, .method = "derived", .volatility = "slow", .ttl_s = k_ttl_s};
    auto about = info;
    about.detail = "not told by a file";
    if (!calls.writable) return facts.none("cgroup.delegated", "absent", about);
    const bool all = calls.writable(own) && calls.writable(own + "/cgroup.procs") &&
                     (version == 1 || calls.writable(own + "/cgroup.subtree_control"));
    facts.ok("cgroup.delegated", all, info);
}

/// The first cgroup name space has a fixed number (include/linux/proc_ns.h: PROC_CGROUP_INIT_INO).
std::optional<bool> own_name_space(const sdk::file_text& link) {
    if (!link || !link.text.starts_with("cgroup:[")) return std::nullopt;
    return link.text != "cgroup:[4026531835]";
}

}  // namespace

void read_groups(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const sdk::cgroup_view groups(root);
    const auto own = root.read("/proc/self/cgroup");
    const sdk::fact_info info{.source = own.path, .volatility = "slow", .ttl_s = 30};
    const int version = groups.version("memory");
    const auto none = [&](std::string_view key, std::string_view why) { facts.missing(key, own, info, why); };
    if (version == 0) {
        for (std::string_view key : {"cgroup.version", "cgroup.path", "cgroup.controllers", "cgroup.cpuset",
                                     "cgroup.pids_max", "cgroup.io_max", "cgroup.delegated", "cgroup.namespaced"})
            none(key, "no control groups are mounted");
        return;
    }
    facts.ok("cgroup.version", version, info);
    const std::string path(groups.path("memory"));
    facts.ok("cgroup.path", path, info);

    std::vector<std::string> controllers;
    if (version == 2) {
        const auto file = root.read(groups.chain("memory").front() + "/cgroup.controllers", 4096);
        for (auto w : sdk::words(file.text)) controllers.emplace_back(w);
        if (file)
            facts.ok("cgroup.controllers", controllers, {.source = file.path});
        else
            facts.missing("cgroup.controllers", file, {}, "");
    } else {
        for (const auto& line : sdk::parse_proc_cgroup(own.text)) {
            std::string_view rest = line.controllers;
            while (!rest.empty()) {
                const auto comma = rest.find(',');
                if (!rest.starts_with("name=")) controllers.emplace_back(rest.substr(0, comma));
                rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
            }
        }
        facts.ok("cgroup.controllers", controllers, {.source = own.path});
    }

    sdk::cpu_set allowed;
    const auto cpuset = groups.cpuset(allowed);
    if (cpuset.status != sdk::read_status::ok)
        facts.none("cgroup.cpuset", sdk::fact_writer::word(cpuset.status),
                   {.source = cpuset.source, .detail = cpuset.detail});
    else if (cpuset.value)
        facts.ok("cgroup.cpuset", allowed.text(), {.source = cpuset.source, .volatility = "slow", .ttl_s = 30});
    else
        none("cgroup.cpuset", "no group names processors");

    const auto pids = groups.pids_max();
    if (pids.status != sdk::read_status::ok)
        facts.none("cgroup.pids_max", sdk::fact_writer::word(pids.status),
                   {.source = pids.source, .detail = pids.detail});
    else if (pids.value)
        facts.ok("cgroup.pids_max", *pids.value, {.source = pids.source, .volatility = "slow", .ttl_s = 30});
    else
        none("cgroup.pids_max", pids.seen ? "no group has a limit" : "no limit file in any group");

    io_limits(root, groups, facts);
    delegation(groups, version, calls, facts);

    const auto link = root.link("/proc/self/ns/cgroup");
    if (const auto own_one = own_name_space(link))
        return facts.ok("cgroup.namespaced", *own_one, {.source = link.path, .method = "derived"});
    // The root of a hierarchy has neither type nor limit; a top with one is the top of a name space or a bind
    // mount.
    const auto top = groups.chain("memory").back();
    if (version == 2 && root.probe(top + "/cgroup.procs") == sdk::read_status::ok)
        facts.ok("cgroup.namespaced", root.probe(top + "/cgroup.type") == sdk::read_status::ok,
                 {.source = top + "/cgroup.type", .method = "derived"});
    else
        none("cgroup.namespaced", "this version does not tell");
}

}  // namespace sigrun::memory
