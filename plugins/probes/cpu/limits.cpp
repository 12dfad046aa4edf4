// How much of the machine this process may use: affinity, cpuset, and the lowest quota of all ancestor
// cgroups. hardware_concurrency and nproc ignore the quota; shares are weights, not limits.
#include "cpu_probe.hpp"

namespace sigrun::cpu {
namespace {

using sdk::fact_info;
constexpr std::uint32_t k_ttl_s = 30;  // a quota may change while the machine runs
constexpr std::string_view k_online = "/sys/devices/system/cpu/online";

struct mask {
    std::optional<sdk::cpu_set> cpus;
    std::string source, detail = "no source";
    std::string_view status = "absent";
};

mask read_affinity(const sdk::sysroot& root, const machine_calls& calls) {
    mask m;
    if (calls.affinity) {
        m.source = "sched_getaffinity";
        m.cpus = calls.affinity();
        if (m.cpus) return m;
    }
    const auto file = root.read("/proc/self/status");
    m.source = "/proc/self/status:Cpus_allowed_list";
    m.status = sdk::fact_writer::word(file.status);
    m.detail = file.why();
    if (!file) return m;
    const auto list = sdk::field(file.text, "Cpus_allowed_list");
    if (list) m.cpus = sdk::parse_cpulist(*list);
    if (m.cpus && m.cpus->empty()) m.cpus.reset();
    m.status = list ? "error" : "absent";
    m.detail = list ? "not a list of processors" : "the file does not say";
    return m;
}

void weight(const sdk::sysroot& root, const sdk::cgroup_view& groups, sdk::fact_writer& facts) {
    const auto chain = groups.chain("cpu");
    if (chain.empty())
        return facts.none("cpu.weight", "absent",
                          {.source = "/proc/self/cgroup", .volatility = "slow", .detail = "no cpu controller"});
    const auto file = root.read(chain.front() + (groups.version("cpu") == 1 ? "/cpu.shares" : "/cpu.weight"), 4096);
    facts.parsed("cpu.weight", sdk::parse_u64(file.text), file, {.volatility = "slow", .ttl_s = k_ttl_s});
}

}  // namespace

void read_limits(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const sdk::cgroup_view groups(root);
    const auto affinity = read_affinity(root, calls);
    if (affinity.cpus)
        facts.ok("cpu.affinity", affinity.cpus->count(),
                 {.source = affinity.source, .volatility = "slow", .ttl_s = k_ttl_s});
    else
        facts.none("cpu.affinity", affinity.status,
                   {.source = affinity.source, .volatility = "slow", .detail = affinity.detail});

    const auto quota = groups.cpu_quota();
    const fact_info about_quota{.source = quota.source.empty() ? std::string_view("cgroup") : quota.source,
                                .method = "derived",
                                .volatility = "slow",
                                .ttl_s = k_ttl_s,
                                .detail = quota.detail};
    if (quota.status != sdk::read_status::ok)
        facts.none("cpu.quota_cores", sdk::fact_writer::word(quota.status), about_quota);
    else if (quota.value)
        facts.ok("cpu.quota_cores", *quota.value, about_quota);
    else
        facts.none("cpu.quota_cores", "absent",
                   {.source = "cgroup",
                    .volatility = "slow",
                    .ttl_s = k_ttl_s,
                    .detail = quota.seen ? "no group limits processor time" : "no limit file in any group"});
    weight(root, groups, facts);

    sdk::cpu_set allowed;
    const auto cpuset = groups.cpuset(allowed);
    const fact_info effective{.source = "cpu.affinity cgroup:cpuset cpu.quota_cores",
                              .method = "derived",
                              .volatility = "slow",
                              .ttl_s = k_ttl_s};
    auto unknown = [&](std::string_view status, std::string_view why) {
        auto info = effective;
        info.detail = why;
        facts.none("cpu.effective_cores", status, info);
    };
    if (!affinity.cpus) return unknown(affinity.status, "the affinity mask is not known");
    if (cpuset.status != sdk::read_status::ok)
        return unknown(sdk::fact_writer::word(cpuset.status), "the cpuset is not known");
    if (quota.status != sdk::read_status::ok)
        return unknown(sdk::fact_writer::word(quota.status), "the quota is not known");
    auto usable = *affinity.cpus;
    if (cpuset.value) usable = usable & allowed;
    if (const auto online = sdk::parse_cpulist(root.read(k_online).text); online && !online->empty())
        usable = usable & *online;
    const auto cores = static_cast<double>(usable.count());
    if (usable.empty()) return unknown("error", "affinity, cpuset and online processors have nothing in common");
    facts.ok("cpu.effective_cores", quota.value ? std::min(cores, *quota.value) : cores, effective);
}

}  // namespace sigrun::cpu
