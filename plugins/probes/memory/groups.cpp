// The cgroup this process lives in.
#include "memory_probe.hpp"

namespace sigrun::memory {

void read_groups(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const sdk::cgroup_view groups(root);
    const auto own = root.read("/proc/self/cgroup");
    const sdk::fact_info info{.source = own.path, .volatility = "slow", .ttl_s = 30};
    const int version = groups.version("memory");
    const auto none = [&](std::string_view key, std::string_view why) { facts.missing(key, own, info, why); };
    if (version == 0) {
        for (std::string_view key : {"cgroup.version", "cgroup.path", "cgroup.controllers", "cgroup.cpuset",
                                     "cgroup.pids_max", "cgroup.namespaced"})
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
