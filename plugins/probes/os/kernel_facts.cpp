// The kernel: version, what it offers, and its limits. A file that is missing in a container says nothing
// about the kernel, so it is reported as it is and never as "no".
#include "os_probe.hpp"

#include <sigrun/cpp/short_hash.hpp>

#include <tuple>

namespace sigrun::os {
namespace {

using sdk::fact_info;

/// Options that decide whether a job can run; the thousands of drivers say less than kernel.modules.
constexpr std::string_view k_options[] = {
    // isolation
    "NAMESPACES", "UTS_NS", "IPC_NS", "USER_NS", "PID_NS", "NET_NS", "TIME_NS", "CGROUPS", "CGROUP_SCHED",
    "CFS_BANDWIDTH", "RT_GROUP_SCHED", "CGROUP_CPUACCT", "CGROUP_DEVICE", "CGROUP_FREEZER", "CGROUP_PIDS",
    "CGROUP_HUGETLB", "CGROUP_PERF", "CGROUP_BPF", "CGROUP_RDMA", "CGROUP_MISC", "CPUSETS", "MEMCG", "BLK_CGROUP",
    "BLK_DEV_THROTTLING", "SECCOMP", "SECCOMP_FILTER", "SECURITY_LANDLOCK", "SECURITY_SELINUX", "SECURITY_APPARMOR",
    "SECURITY_YAMA", "SECURITY_LOCKDOWN_LSM", "KEYS", "CHECKPOINT_RESTORE", "BINFMT_MISC", "USERFAULTFD", "IO_URING",
    "POSIX_MQUEUE", "SYSVIPC", "FANOTIFY", "INOTIFY_USER", "PSI", "CORE_SCHED",
    // tracing
    "BPF", "BPF_SYSCALL", "BPF_JIT", "BPF_LSM", "DEBUG_INFO_BTF", "KPROBES", "UPROBES", "FTRACE", "PERF_EVENTS",
    "TASKSTATS", "IKCONFIG_PROC",
    // kind of kernel
    "MODULES", "MODULE_SIG", "MODULE_SIG_FORCE", "PREEMPT", "PREEMPT_DYNAMIC", "PREEMPT_NONE", "PREEMPT_RT",
    "PREEMPT_VOLUNTARY", "HZ_100", "HZ_250", "HZ_300", "HZ_1000", "NO_HZ", "NO_HZ_FULL", "NO_HZ_IDLE",
    "HIGH_RES_TIMERS", "NUMA", "NUMA_BALANCING", "TRANSPARENT_HUGEPAGE", "HUGETLBFS", "KSM", "ZSWAP", "SWAP", "KEXEC",
    "LIVEPATCH", "IA32_EMULATION", "X86_X32_ABI", "COMPAT", "CPU_FREQ", "X86_CPU_RESCTRL", "X86_SGX", "INTEL_TDX_GUEST",
    "AMD_MEM_ENCRYPT", "LTO_CLANG", "KASAN", "LOCKDEP",
    // virtual machines
    "KVM", "KVM_INTEL", "KVM_AMD", "VHOST_NET", "VHOST_VSOCK", "VSOCKETS", "VIRTIO", "VIRTIO_FS", "VFIO", "VFIO_PCI",
    "IOMMU_SUPPORT", "HYPERVISOR_GUEST", "KVM_GUEST", "XEN",
    // file systems and block devices
    "EXT4_FS", "XFS_FS", "BTRFS_FS", "F2FS_FS", "EROFS_FS", "SQUASHFS", "OVERLAY_FS", "FUSE_FS", "NFS_FS", "NFS_V4",
    "CIFS", "CEPH_FS", "9P_FS", "TMPFS", "TMPFS_XATTR", "QUOTA", "FS_VERITY", "FS_ENCRYPTION", "FS_DAX", "BLK_DEV_LOOP",
    "BLK_DEV_NBD", "BLK_DEV_DM", "DM_CRYPT", "DM_VERITY", "DM_THIN_PROVISIONING", "BLK_DEV_NVME", "ZRAM",
    // network
    "INET", "IPV6", "BRIDGE", "BRIDGE_NETFILTER", "VETH", "MACVLAN", "IPVLAN", "VXLAN", "DUMMY", "TUN", "WIREGUARD",
    "NETFILTER", "NF_TABLES", "NF_NAT", "NF_CONNTRACK", "IP_VS", "IP_NF_IPTABLES", "NET_SCHED", "NET_SCH_INGRESS",
    "NET_CLS_BPF", "XDP_SOCKETS", "TLS", "MPTCP", "TCP_CONG_BBR", "INFINIBAND"};

/// Why there is no configuration. That no file is visible says nothing about the kernel.
void no_config(sdk::fact_writer& facts, std::string_view key, const kernel_config& config) {
    if (config.file.status == sdk::read_status::absent)
        return facts.none(key, "unsupported", {.source = config.file.path, .detail = "no configuration is visible"});
    facts.missing(key, config.file, {}, "");
}

void options(sdk::fact_writer& facts, const kernel_config& config) {
    if (!config.known()) return no_config(facts, "kernel.config", config);
    std::vector<std::string> on;
    for (auto name : k_options)
        if (config.option(name) != 'n') on.emplace_back(name);
    facts.ok("kernel.config", on, {.source = config.file.path});
}

void preemption(sdk::fact_writer& facts, const sdk::file_text& version, const kernel_config& config) {
    std::optional<std::string> model;
    for (auto w : sdk::words(version.text)) {
        if (w == "PREEMPT_RT") model = "rt";
        if (w == "PREEMPT_DYNAMIC") model = "dynamic";
        if (w == "PREEMPT" && !model) model = "full";
    }
    if (model) return facts.ok("kernel.preempt", *model, {.source = version.path, .method = "derived"});
    if (config.known())
        for (const auto& [option, name] :
             {std::pair{"PREEMPT_VOLUNTARY", "voluntary"}, std::pair{"PREEMPT_NONE", "none"}})
            if (config.option(option) == 'y')
                return facts.ok("kernel.preempt", name, {.source = config.file.path, .method = "derived"});
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

void modules(const sdk::sysroot& root, sdk::fact_writer& facts, const kernel_config& config) {
    const auto file = root.read("/proc/modules");
    if (file.status == sdk::read_status::absent && config.known() && config.option("MODULES") == 'n')
        return facts.ok("kernel.modules", std::vector<std::string>(),
                        {.source = config.file.path, .method = "derived", .detail = "a kernel without modules"});
    std::vector<std::string> names;
    std::string_view rest = file.text, line;
    while (sdk::next_line(rest, line)) {
        const auto w = sdk::words(line);
        if (w.size() >= 3 && sdk::parse_u64(w[1])) names.emplace_back(w[0]);
    }
    const bool understood = file && (!names.empty() || file.trim().empty());
    facts.parsed("kernel.modules", understood ? std::optional(names) : std::nullopt, file, {});
}

void file_systems(const sdk::sysroot& root, sdk::fact_writer& facts, const kernel_config& config) {
    const auto file = root.read("/proc/filesystems", 64 * 1024);
    for (const auto& [key, type, option] :
         {std::tuple{"kernel.overlayfs", "overlay", "OVERLAY_FS"}, std::tuple{"kernel.fuse", "fuse", "FUSE_FS"}}) {
        bool listed = false;
        std::string_view rest = file.text, line;
        while (sdk::next_line(rest, line)) {
            const auto w = sdk::words(line);
            listed = listed || (!w.empty() && w.back() == type);
        }
        if (listed)
            facts.ok(key, true, {.source = file.path});
        else if (file && config.known() && config.option(option) == 'n')
            facts.ok(key, false, {.source = config.file.path, .method = "derived"});
        else
            facts.missing(key, file, {}, "not registered now; a module may still bring it");
    }
}

void io_uring(const sdk::sysroot& root, sdk::fact_writer& facts, const kernel_config& config) {
    const auto file = root.read("/proc/sys/kernel/io_uring_disabled", 64);
    const auto level = sdk::parse_u64(file.text);
    // Without the switch the kernel has it or has it not, and nobody but a filter forbids it.
    if (file.status == sdk::read_status::absent && config.known())
        return facts.ok("kernel.io_uring", config.option("IO_URING") == 'y',
                        {.source = config.file.path, .method = "derived", .volatility = "slow"});
    if (file.status == sdk::read_status::absent)
        return facts.none("kernel.io_uring", "unsupported",
                          {.source = file.path, .detail = "this kernel does not tell"});
    facts.parsed("kernel.io_uring", level && *level <= 2 ? std::optional(*level == 0) : std::nullopt, file,
                 {.volatility = "slow"});
}

}  // namespace

void read_kernel(const sdk::sysroot& root, sdk::fact_writer& facts) {
    text_file(root, facts, "kernel.release", "/proc/sys/kernel/osrelease");
    const auto version = root.read("/proc/sys/kernel/version", 4096);
    facts.maybe("kernel.version", version && !version.trim().empty() ? std::optional(version.trim()) : std::nullopt,
                version, {});
    const auto config = read_kernel_config(root);
    options(facts, config);
    preemption(facts, version, config);
    cgroup_mode(root, facts);
    modules(root, facts, config);
    file_systems(root, facts, config);
    io_uring(root, facts, config);
    const auto bpf = root.read("/proc/sys/kernel/unprivileged_bpf_disabled", 64);
    if (!bpf && config.known())
        facts.ok("kernel.bpf", config.option("BPF_SYSCALL") == 'y', {.source = config.file.path, .method = "derived"});
    else
        facts.maybe("kernel.bpf", bpf ? std::optional(true) : std::nullopt, bpf, {.method = "derived"});
    const auto kvm = root.probe("/dev/kvm");
    if (kvm == sdk::read_status::ok)
        facts.ok("kernel.kvm", true, {.source = "/dev/kvm"});
    else
        facts.none("kernel.kvm", sdk::fact_writer::word(kvm), {.source = "/dev/kvm"});
    text_file(root, facts, "kernel.clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    const auto cmdline = root.read("/proc/cmdline", 64 * 1024);
    facts.maybe("kernel.cmdline_hash", cmdline ? std::optional(sdk::short_hash(cmdline.trim())) : std::nullopt, cmdline,
                {.method = "derived", .unique = true});
    for (const auto& [key, path] : {std::pair{"kernel.max_pids", "/proc/sys/kernel/pid_max"},
                                    std::pair{"kernel.max_files", "/proc/sys/fs/file-max"}}) {
        const auto file = root.read(path, 64);
        facts.parsed(key, sdk::parse_u64(file.text), file, {.volatility = "slow"});
    }
}

}  // namespace sigrun::os
