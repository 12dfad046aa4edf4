// The kernel: version, what it offers, and its limits. A file that is missing in a container says nothing
// about the kernel, so it is reported as it is and never as "no".
#include "os_probe.hpp"

namespace sigrun::os {
namespace {

using sdk::fact_info;

void preemption(sdk::fact_writer& facts, const sdk::file_text& version) {
    std::optional<std::string> model;
    for (auto w : sdk::words(version.text)) {
        if (w == "PREEMPT_RT") model = "rt";
        if (w == "PREEMPT_DYNAMIC") model = "dynamic";
        if (w == "PREEMPT" && !model) model = "full";
    }
    if (model) return facts.ok("kernel.preempt", *model, {.source = version.path, .method = "derived"});
    facts.missing("kernel.preempt", version, {}, "the version text does not mention preemption");
}

void cgroup_mode(const sdk::sysroot& root, sdk::fact_writer& facts) {
    constexpr std::string_view k_names[] = {"", "v1", "v2", "hybrid"};
    const auto mode = sdk::cgroup_view(root).mode();
    if (mode != sdk::cgroup_mode::none)
        return facts.ok("kernel.cgroup_mode", k_names[static_cast<std::size_t>(mode)],
                        {.source = "/proc/self/mountinfo", .method = "derived"});
    facts.missing("kernel.cgroup_mode", root.read("/proc/self/mountinfo"), {}, "no control groups are mounted");
}

void modules(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto file = root.read("/proc/modules");
    std::vector<std::string> names;
    std::string_view rest = file.text, line;
    while (sdk::next_line(rest, line)) {
        const auto w = sdk::words(line);
        if (w.size() >= 3 && sdk::parse_u64(w[1])) names.emplace_back(w[0]);
    }
    const bool understood = file && (!names.empty() || file.trim().empty());
    facts.parsed("kernel.modules", understood ? std::optional(names) : std::nullopt, file, {});
}

void file_systems(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto file = root.read("/proc/filesystems", 64 * 1024);
    for (const auto& [key, type] : {std::pair{"kernel.overlayfs", "overlay"}, std::pair{"kernel.fuse", "fuse"}}) {
        bool listed = false;
        std::string_view rest = file.text, line;
        while (sdk::next_line(rest, line)) {
            const auto w = sdk::words(line);
            listed = listed || (!w.empty() && w.back() == type);
        }
        if (listed)
            facts.ok(key, true, {.source = file.path});
        else
            facts.missing(key, file, {}, "not registered now; a module may still bring it");
    }
}

void io_uring(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto file = root.read("/proc/sys/kernel/io_uring_disabled", 64);
    const auto level = sdk::parse_u64(file.text);
    if (file.status == sdk::read_status::absent)
        return facts.none("kernel.io_uring", "unsupported",
                          {.source = file.path, .detail = "this kernel does not tell"});
    facts.parsed("kernel.io_uring", level && *level <= 2 ? std::optional(*level == 0) : std::nullopt, file,
                 {.volatility = "slow"});
}

/// 64-bit FNV-1a: tells two command lines apart without publishing them.
std::string short_hash(std::string_view text) {
    std::uint64_t h = 0xcbf29ce484222325ull;
    for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    static constexpr char k_digits[] = "0123456789abcdef";
    std::string out;
    for (int shift = 60; shift >= 0; shift -= 4) out += k_digits[h >> shift & 15];
    return out;
}

}  // namespace

void read_kernel(const sdk::sysroot& root, sdk::fact_writer& facts) {
    text_file(root, facts, "kernel.release", "/proc/sys/kernel/osrelease");
    const auto version = root.read("/proc/sys/kernel/version", 4096);
    facts.maybe("kernel.version", version && !version.trim().empty() ? std::optional(version.trim()) : std::nullopt,
                version, {});
    preemption(facts, version);
    cgroup_mode(root, facts);
    modules(root, facts);
    file_systems(root, facts);
    io_uring(root, facts);
    const auto bpf = root.read("/proc/sys/kernel/unprivileged_bpf_disabled", 64);
    facts.maybe("kernel.bpf", bpf ? std::optional(true) : std::nullopt, bpf, {.method = "derived"});
    const auto kvm = root.probe("/dev/kvm");
    if (kvm == sdk::read_status::ok)
        facts.ok("kernel.kvm", true, {.source = "/dev/kvm"});
    else
        facts.none("kernel.kvm", sdk::fact_writer::word(kvm), {.source = "/dev/kvm"});
    text_file(root, facts, "kernel.clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    const auto cmdline = root.read("/proc/cmdline", 64 * 1024);
    facts.maybe("kernel.cmdline_hash", cmdline ? std::optional(short_hash(cmdline.trim())) : std::nullopt, cmdline,
                {.method = "derived", .unique = true});
    for (const auto& [key, path] : {std::pair{"kernel.max_pids", "/proc/sys/kernel/pid_max"},
                                    std::pair{"kernel.max_files", "/proc/sys/fs/file-max"}}) {
        const auto file = root.read(path, 64);
        facts.parsed(key, sdk::parse_u64(file.text), file, {.volatility = "slow"});
    }
}

}  // namespace sigrun::os
