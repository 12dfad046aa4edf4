// How much memory there is, how much a job may take, and how it is paged.
#include "memory_probe.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace sigrun::memory {
namespace {

using sdk::fact_info;
constexpr std::uint32_t k_limit_ttl_s = 30;

/// A limit as a fact: the value, absent if nothing limits, or why that is not known.
void limit_fact(sdk::fact_writer& facts, std::string_view key, const sdk::cgroup_limit<std::uint64_t>& limit) {
    fact_info info{.source = limit.source.empty() ? std::string_view("cgroup") : limit.source,
                   .volatility = "slow",
                   .ttl_s = k_limit_ttl_s,
                   .detail = limit.detail};
    if (limit.status != sdk::read_status::ok) return facts.none(key, sdk::fact_writer::word(limit.status), info);
    if (limit.value) return facts.ok(key, *limit.value, info);
    info.detail = limit.seen ? "no group has a limit" : "no limit file in any group";
    facts.none(key, "absent", info);
}

void hugepages(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const std::string folder = "/sys/kernel/mm/hugepages";
    std::vector<sdk::record> sizes;
    for (const auto& name : root.list(folder)) {
        if (!name.starts_with("hugepages-") || !name.ends_with("kB")) continue;
        const auto bytes = sdk::times(sdk::parse_u64(std::string_view(name).substr(10, name.size() - 12)), 1024);
        const auto total = sdk::parse_u64(root.read(folder + "/" + name + "/nr_hugepages", 64).text);
        const auto free = sdk::parse_u64(root.read(folder + "/" + name + "/free_hugepages", 64).text);
        if (bytes && total && free)
            sizes.push_back(sdk::record().add("size_bytes", *bytes).add("total", *total).add("free", *free));
    }
    const fact_info info{.source = folder, .volatility = "slow"};
    if (!sizes.empty()) return facts.ok("memory.hugepages", sdk::records(sizes), info);
    facts.none("memory.hugepages", "absent", {.source = folder, .volatility = "slow", .detail = "no huge page sizes"});
}

}  // namespace

machine_calls live_calls() {
    machine_calls calls;
    calls.page_size = [] { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); };
    // The effective user counts, as for open(2).
    calls.writable = [](const std::string& path) { return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0; };
    return calls;
}

void read_amounts(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const auto meminfo = root.read("/proc/meminfo");
    const auto total = sdk::meminfo_bytes(meminfo.text, "MemTotal");
    facts.parsed("memory.total_bytes", total, meminfo, {});
    facts.maybe("memory.available_bytes", sdk::meminfo_bytes(meminfo.text, "MemAvailable"), meminfo,
                {.volatility = "fast", .ttl_s = 5});
    facts.parsed("memory.swap_bytes", sdk::meminfo_bytes(meminfo.text, "SwapTotal"), meminfo, {.volatility = "slow"});

    const sdk::cgroup_view groups(root);
    const auto max = groups.memory_max();
    const auto high = groups.memory_high();
    limit_fact(facts, "memory.limit_bytes", max);
    limit_fact(facts, "memory.high_bytes", high);
    const fact_info slow{
        .source = "/proc/meminfo cgroup", .method = "derived", .volatility = "slow", .ttl_s = k_limit_ttl_s};
    auto unknown = [&](std::string_view key, std::string_view status, std::string_view why) {
        auto info = slow;
        info.detail = why;
        facts.none(key, status, info);
    };
    if (max.value && max.status == sdk::read_status::ok)
        facts.ok("memory.limit_source", max.source, slow);
    else
        unknown("memory.limit_source",
                sdk::fact_writer::word(max.status == sdk::read_status::ok ? sdk::read_status::absent : max.status),
                "no known limit");
    if (max.status != sdk::read_status::ok || high.status != sdk::read_status::ok) {
        const auto status = max.status != sdk::read_status::ok ? max.status : high.status;
        unknown("memory.effective_bytes", sdk::fact_writer::word(status), "a limit is not known");
    } else if (!total) {
        unknown("memory.effective_bytes", meminfo ? "error" : sdk::fact_writer::word(meminfo.status),
                "the total is not known");
    } else {
        facts.ok("memory.effective_bytes", std::min({*total, max.value.value_or(*total), high.value.value_or(*total)}),
                 slow);
    }

    if (calls.page_size)
        facts.ok("memory.page_bytes", calls.page_size(), {.source = "sysconf"});
    else
        facts.none("memory.page_bytes", "absent", {.source = "sysconf", .detail = "not told by a file"});
    hugepages(root, facts);
    const auto thp = root.read("/sys/kernel/mm/transparent_hugepage/enabled", 256);
    facts.parsed("memory.thp", sdk::bracketed(thp.text), thp, {.volatility = "slow"});
    const auto pressure = root.read("/proc/pressure/memory", 4096);
    facts.parsed("memory.pressure_ratio", sdk::pressure_some_avg10(pressure.text), pressure,
                 {.volatility = "fast", .ttl_s = 5});
}

}  // namespace sigrun::memory
