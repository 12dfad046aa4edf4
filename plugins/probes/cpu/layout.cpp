// Counts, caches, kinds and frequencies of the processors: sysfs. CPUs that are offline have no topology and
// do not count.
#include "cpu_probe.hpp"

#include <map>
#include <set>

namespace sigrun::cpu {
namespace {

using sdk::fact_info;
const std::string k_cpu = "/sys/devices/system/cpu/";

void counts(const sdk::sysroot& root, const sdk::cpu_set& online, const sdk::file_text& online_file,
            sdk::probe_run& run) {
    auto& facts = run.facts();
    facts.parsed("cpu.threads_online", online.empty() ? std::nullopt : std::optional(online.count()), online_file, {});
    const auto possible_file = root.read(k_cpu + "possible");
    const auto possible = sdk::parse_cpulist(possible_file.text);
    facts.parsed("cpu.threads_possible",
                 possible && !possible->empty() ? std::optional(possible->count()) : std::nullopt, possible_file, {});

    std::set<std::string> cores, packages, l3;
    bool cores_known = !online.empty(), packages_known = cores_known;
    int n = 0;
    for (auto cpu : online.numbers()) {
        if (++n % 64 == 0 && !run.go_on()) return;
        const auto folder = k_cpu + "cpu" + std::to_string(cpu);
        auto siblings = root.read(folder + "/topology/core_cpus_list", 65'536);
        if (!siblings) siblings = root.read(folder + "/topology/thread_siblings_list", 65'536);
        const auto package = root.read(folder + "/topology/physical_package_id", 64);
        cores_known = cores_known && siblings && !siblings.trim().empty();
        packages_known = packages_known && sdk::parse_i64(package.text) >= 0;
        cores.emplace(siblings.trim());
        packages.emplace(package.trim());
        if (auto share = root.read(folder + "/cache/index3/shared_cpu_list", 65'536)) l3.emplace(share.trim());
    }
    // hwloc, where its probe is loaded, is asked first.
    const fact_info derived{.source = "/sys/devices/system/cpu/cpu*/topology", .method = "derived", .confidence = 90};
    auto count = [&](std::string_view key, bool known, std::size_t value, std::string_view why) {
        auto info = derived;
        info.detail = known ? std::string_view() : why;
        known ? facts.ok(key, value, info) : facts.none(key, "absent", info);
    };
    count("cpu.cores", cores_known, cores.size(), "the topology of some processor is not told");
    count("cpu.sockets", packages_known, packages.size(), "the package of some processor is not told");
    count("cpu.l3_domains", !l3.empty(), l3.size(), "no third cache level is told");

    const auto smt = root.read(k_cpu + "smt/active", 64);
    const auto on = sdk::parse_u64(smt.text);
    facts.parsed("cpu.smt", on && *on <= 1 ? std::optional(*on == 1) : std::nullopt, smt, {});
}

void caches(const sdk::sysroot& root, std::uint32_t cpu, sdk::fact_writer& facts) {
    const auto folder = k_cpu + "cpu" + std::to_string(cpu) + "/cache/";
    std::map<std::string, std::uint64_t> sizes;
    std::optional<std::uint64_t> line;
    for (const auto& index : root.list(folder)) {
        if (!index.starts_with("index")) continue;
        const auto level = sdk::parse_u64(root.read(folder + index + "/level", 64).text);
        const auto type = root.read(folder + index + "/type", 64);
        const auto size = sdk::parse_sysfs_size(root.read(folder + index + "/size", 64).text);
        if (!level || !size || *size == 0) continue;
        const std::string kind = *level == 1 ? (type.trim() == "Data"          ? "d"
                                                : type.trim() == "Instruction" ? "i"
                                                                               : "")
                                             : "";
        sizes.emplace("cpu.l" + std::to_string(*level) + kind + "_bytes", *size);
        if (!line) line = sdk::parse_u64(root.read(folder + index + "/coherency_line_size", 64).text);
    }
    const fact_info info{.source = folder, .volatility = "static"};
    auto absent = info;
    absent.detail = "the kernel does not tell";
    for (std::string_view key : {"cpu.l1d_bytes", "cpu.l1i_bytes", "cpu.l2_bytes", "cpu.l3_bytes"}) {
        const auto at = sizes.find(std::string(key));
        at != sizes.end() ? facts.ok(key, at->second, info) : facts.none(key, "absent", absent);
    }
    line&&* line > 0 ? facts.ok("cpu.line_bytes", *line, info) : facts.none("cpu.line_bytes", "absent", absent);
}

/// Performance, efficiency and low-power cores: an event source for each on x86, different capacities on arm.
void kinds(const sdk::sysroot& root, const sdk::cpu_set& online, sdk::fact_writer& facts) {
    std::vector<sdk::record> list;
    std::string source = "/sys/devices/cpu_core/cpus /sys/devices/cpu_atom/cpus";
    for (std::string_view kind : {"core", "atom", "lowpower"}) {
        const auto cpus = sdk::parse_cpulist(root.read("/sys/devices/cpu_" + std::string(kind) + "/cpus").text);
        if (cpus && !cpus->empty())
            list.push_back(sdk::record().add("kind", kind).add("count", cpus->count()).add("cpus", cpus->text()));
    }
    bool known = list.size() >= 2 || root.probe("/sys/devices/cpu") == sdk::read_status::ok;
    if (list.size() < 2) {
        list.clear();
        std::map<std::uint64_t, sdk::cpu_set> by_capacity;
        bool all = !online.empty();
        for (auto cpu : online.numbers()) {
            const auto capacity =
                sdk::parse_u64(root.read(k_cpu + "cpu" + std::to_string(cpu) + "/cpu_capacity", 64).text);
            if (!(all = all && capacity)) break;
            by_capacity[*capacity].add(cpu);
        }
        if (all) {
            known = true;
            source = "/sys/devices/system/cpu/cpu*/cpu_capacity";
            for (const auto& [capacity, cpus] : by_capacity)
                list.push_back(
                    sdk::record().add("capacity", capacity).add("count", cpus.count()).add("cpus", cpus.text()));
        }
    }
    const fact_info info{.source = source, .method = "derived"};
    auto absent = info;
    absent.detail = known ? "all processors are of one kind" : "the kernel does not tell";
    known ? facts.ok("cpu.hybrid", list.size() > 1, info) : facts.none("cpu.hybrid", "absent", absent);
    list.size() > 1 ? facts.ok("cpu.kinds", sdk::records(list), info) : facts.none("cpu.kinds", "absent", absent);
}

void frequencies(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const auto policies = root.list(k_cpu + "cpufreq");
    std::string first;
    std::uint64_t max_khz = 0;
    for (const auto& name : policies) {
        if (!name.starts_with("policy")) continue;
        const auto folder = k_cpu + "cpufreq/" + name;
        if (first.empty()) first = folder;
        max_khz = std::max(max_khz, sdk::parse_u64(root.read(folder + "/cpuinfo_max_freq", 64).text).value_or(0));
    }
    if (first.empty()) first = k_cpu + "cpufreq/policy0";
    const auto base = root.read(first + "/base_frequency", 64);
    const auto max = root.read(first + "/cpuinfo_max_freq", 64);
    const bool leaf = calls.cpuid && calls.cpuid(0, 0).eax >= 0x16;
    const auto of_leaf = [&](std::uint32_t mhz) {
        return leaf && (mhz & 0xFFFF) ? std::optional(std::uint64_t{mhz & 0xFFFF} * 1'000'000) : std::nullopt;
    };
    const auto told = leaf ? calls.cpuid(0x16, 0) : cpuid_regs{};
    fact_info about_base{.source = base.path};
    auto base_hz = sdk::times(sdk::parse_u64(base.text), 1000);
    if (!base_hz && (base_hz = of_leaf(told.eax))) about_base.source = "cpuid:16";
    if (!base_hz) {
        const auto cpuinfo = root.read_head("/proc/cpuinfo", 64 * 1024);
        if ((base_hz = hz_of_model_name(sdk::field(cpuinfo.text, "model name").value_or(""))))
            about_base = {.source = "/proc/cpuinfo:model name", .method = "derived", .confidence = 80};
    }
    facts.parsed("cpu.base_hz", base_hz, base, about_base);
    fact_info about_max{.source = max.path};
    auto max_hz = max_khz ? sdk::times(max_khz, 1000) : std::nullopt;
    if (!max_hz && (max_hz = of_leaf(told.ebx))) about_max.source = "cpuid:16";
    facts.parsed("cpu.max_hz", max_hz, max, about_max);
    for (const auto& [key, name, volatility] : {std::tuple{"cpu.driver", "/scaling_driver", "boot"},
                                                std::tuple{"cpu.governor", "/scaling_governor", "slow"}}) {
        const auto file = root.read(first + name, 256);
        facts.maybe(key, file && !file.trim().empty() ? std::optional(file.trim()) : std::nullopt, file,
                    {.volatility = volatility});
    }
    auto file = root.read(k_cpu + "intel_pstate/no_turbo", 64);
    const bool inverted = static_cast<bool>(file);
    if (!inverted) file = root.read(k_cpu + "cpufreq/boost", 64);
    const auto bit = sdk::parse_u64(file.text);
    facts.parsed("cpu.turbo", bit && *bit <= 1 ? std::optional((*bit == 1) != inverted) : std::nullopt, file,
                 {.volatility = "slow"});
}

}  // namespace

std::optional<std::uint64_t> hz_of_model_name(std::string_view name) {
    const auto at = name.rfind('@');
    const auto unit = name.find("GHz", at == name.npos ? name.size() : at);
    if (unit == name.npos) return std::nullopt;
    const auto text = sdk::trimmed(name.substr(at + 1, unit - at - 1));
    double ghz = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), ghz);
    if (ec != std::errc{} || end != text.data() + text.size() || !(ghz > 0.1 && ghz < 20)) return std::nullopt;
    return static_cast<std::uint64_t>(ghz * 1000 + 0.5) * 1'000'000;
}

void read_layout(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    auto& facts = run.facts();
    const auto online_file = root.read(k_cpu + "online");
    const auto online = sdk::parse_cpulist(online_file.text).value_or(sdk::cpu_set{});
    counts(root, online, online_file, run);
    if (!run.go_on()) return;
    caches(root, online.empty() ? 0 : online.numbers().front(), facts);
    kinds(root, online, facts);
    frequencies(root, calls, facts);
    const auto resctrl = root.list("/sys/fs/resctrl/info");
    if (resctrl.empty())
        facts.none("cpu.rdt", "absent", {.source = "/sys/fs/resctrl/info", .detail = "not mounted"});
    else
        facts.ok("cpu.rdt", resctrl, {.source = "/sys/fs/resctrl/info"});
    const auto pressure = root.read("/proc/pressure/cpu", 4096);
    facts.parsed("cpu.pressure_ratio", sdk::pressure_some_avg10(pressure.text), pressure,
                 {.volatility = "fast", .ttl_s = 5});
}

}  // namespace sigrun::cpu
