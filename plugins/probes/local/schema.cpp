#include "schema.hpp"

#include <sigrun/cpp/word_distance.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace sigrun::local {
namespace {

struct group {
    std::string_view name, members;  // "name:type ..."
};

// Schema v1 of the facts: b bool, u/i/f number, s text, v version, d id, S set, L list of records.
constexpr group k_groups[] = {
    {"host",
     "id:d boot_id:d boot_time_s:u vendor:s product:s board:s bios_version:s chassis:s arch:s "
     "byte_order:s hostname:s timezone:s"},
    {"os", "id:s id_like:S name:s version:v codename:s libc:s libc_version:v init:s immutable:b"},
    {"kernel",
     "release:s version:v preempt:s cgroup_mode:s modules:S config:S io_uring:b bpf:b overlayfs:b "
     "fuse:b kvm:b clocksource:s cmdline_hash:d max_pids:u max_files:u"},
    {"cpu",
     "vendor:s model:s family:u model_id:u stepping:u microcode:s isa_level:s features:S sockets:u "
     "cores:u threads_online:u threads_possible:u smt:b affinity:u quota_cores:f effective_cores:f "
     "weight:u hybrid:b kinds:L base_hz:u max_hz:u driver:s governor:s turbo:b l1d_bytes:u l1i_bytes:u "
     "l2_bytes:u l3_bytes:u l3_domains:u line_bytes:u rdt:S pressure_ratio:f"},
    {"memory",
     "total_bytes:u available_bytes:u limit_bytes:u limit_source:s effective_bytes:u high_bytes:u "
     "swap_bytes:u page_bytes:u hugepages:L thp:s ecc:b type:s speed_mtps:u channels:u nvdimm:L "
     "pressure_ratio:f"},
    {"numa", "count:u nodes:L max_distance:u"},
    {"cgroup", "version:u path:s controllers:S cpuset:s pids_max:u io_max:s delegated:b namespaced:b"},
    {"virt", "vm:s container:s nested:b orchestrator:s evidence:S"},
    {"cloud", "provider:s instance_type:s region:s zone:s preemptible:b"},
    {"gpu",
     "count:u vendors:S uuid:d model:s vendor:s driver:s driver_version:v api:s api_version:v "
     "compute_capability:v arch:s memory_bytes:u memory_shared_bytes:u units:u clock_hz:u pci:s "
     "pcie_gen:u pcie_width:u numa_node:i mig_mode:s mig:L sharing:s ecc:b persistence:b virtual:b "
     "usable:b health:s"},
    {"pci",
     "count:u address:s class:s vendor_id:s device_id:s subsystem:s name:s driver:s numa_node:i "
     "iommu_group:i sriov_total:u sriov_used:u link_gen:u link_width:u"},
    {"usb", "count:u class:s vendor_id:s device_id:s name:s"},
    {"block",
     "name:s kind:s model:s transport:s size_bytes:u rotational:b logical_bytes:u physical_bytes:u "
     "queue_depth:u scheduler:s discard:b dax:b write_cache:s"},
    {"fs",
     "mount:s type:s device:s total_bytes:u available_bytes:u inodes_free:u readonly:b remote:b "
     "responsive:b options:S reflink:b"},
    {"work", "path:s fs:s available_bytes:u quota_bytes:u exec:b tmpfs:b"},
    {"net",
     "default_if:s ipv4:b ipv6:b egress_ip:s nat:s proxy:s dns:S fqdn:s controller_rtt_us:u "
     "controller_rtt_p99_us:u controller_up_bps:u controller_down_bps:u path_mtu:u clock_skew_ms:i"},
    {"nic",
     "name:s kind:s mac_hash:d state:s mtu:u speed_bps:u speed_method:s duplex:s driver:s firmware:s "
     "offloads:S queues:u sriov_total:u numa_node:i addresses:S"},
    {"rdma", "device:s link_layer:s rate_bps:u state:s firmware:s"},
    {"sec",
     "uid_root:b caps:S no_new_privs:b seccomp_mode:u seccomp_actions:S lsm:S apparmor:b selinux:s "
     "landlock_abi:u userns_allowed:b userns_works:b lockdown:s secure_boot:b tpm:v fips:b "
     "vulnerable:S mitigations:S sgx:b sgx_epc_bytes:u tdx_host:b tdx_guest:b sev:s sev_guest:b yama:u"},
    {"runtime",
     "name:s version:v api:v socket:s rootless:b usable:b cgroup_driver:s storage_driver:s "
     "oci_runtimes:S"},
    {"lang", "name:s version:v path:s found_by:s verified:b"},
    {"tool", "name:s version:v path:s found_by:s verified:b"},
    {"pkg", "manager:s count:u hash:d"},
    {"perf",
     "suite:v single_int:f single_fp:f all_int:f aes_bps:u sha256_bps:u mem_copy_bps:u mem_triad_bps:u "
     "mem_latency_ns:f disk_seq_read_bps:u disk_seq_write_bps:u disk_rand_iops:u fsync_p50_us:u "
     "fsync_p95_us:u spawn_us:u noise_ratio:f steal_ratio:f budget_ms:u"},
    {"proto",
     "name:s supported:b version:s latency_us:u tier:s tls:s alpn:s features:S evidence:s auth:S "
     "max_message_bytes:u"},
    {"runner", "slots:u labels:S maintenance_window:s job_cpu_max:f job_memory_max_bytes:u geo:s"},
    {"tier", "cpu:s memory:s storage:s network:s gpu:s overall:s score:f limiting_axis:s"},
};

// Groups that are lists of records; these members of theirs are facts of their own.
constexpr std::string_view k_arrays[] = {"gpu",  "pci",     "usb",  "block", "fs",   "nic",
                                         "rdma", "runtime", "lang", "tool",  "proto"};
constexpr std::string_view k_beside[] = {"gpu.count", "gpu.vendors", "pci.count", "usb.count"};

bool is_array(std::string_view name) noexcept {
    return std::find(std::begin(k_arrays), std::end(k_arrays), name) != std::end(k_arrays);
}

/// Calls fn(name, type) for each member until it returns true.
template <class F>
bool each_member(const group& g, F&& fn) {
    for (std::string_view rest = g.members; !rest.empty();) {
        const auto blank = std::min(rest.find(' '), rest.size());
        const auto member = rest.substr(0, blank);
        rest.remove_prefix(std::min(blank + 1, rest.size()));
        const auto colon = member.find(':');
        if (fn(member.substr(0, colon), member[colon + 1])) return true;
    }
    return false;
}

template <class F>
void each_key(F&& fn) {
    for (const auto& g : k_groups) {
        if (is_array(g.name)) fn(std::string(g.name));
        each_member(g, [&](std::string_view member, char) {
            const std::string key = std::string(g.name) + "." + std::string(member);
            if (!is_array(g.name) || std::find(std::begin(k_beside), std::end(k_beside), key) != std::end(k_beside))
                fn(key);
            return false;
        });
    }
}

}  // namespace

char member_type(std::string_view array, std::string_view member) noexcept {
    char found = 0;
    for (const auto& g : k_groups)
        if (g.name == array)
            each_member(g, [&](std::string_view name, char type) {
                if (name == member) found = type;
                return found != 0;
            });
    return found;
}

char key_type(std::string_view key) noexcept {
    if (is_array(key)) return 'L';
    const auto point = key.find('.');
    if (point == key.npos) return 0;
    const auto name = key.substr(0, point);
    if (is_array(name) && std::find(std::begin(k_beside), std::end(k_beside), key) == std::end(k_beside)) return 0;
    return member_type(name, key.substr(point + 1));
}

std::string nearest_key(std::string_view key) {
    std::string best;
    std::size_t least = 4;  // further away is no help
    if (key.size() > 64) return best;
    each_key([&](const std::string& known) {
        if (const auto d = sdk::word_distance(key, known); d < least) {
            least = d;
            best = known;
        }
    });
    return best;
}

bool names_one_machine(std::string_view key) noexcept {
    for (std::string_view k : {"host.hostname", "net.egress_ip", "net.fqdn"})
        if (key == k) return true;
    return key_type(key) == 'd' && key != "pkg.hash";
}

std::string_view type_name(char type) noexcept {
    switch (type) {
        case 'b': return "true or false";
        case 'u': return "a whole number, 0 or more";
        case 'i': return "a whole number";
        case 'f': return "a number";
        case 'S': return "a list of texts";
        case 'L': return "a list of records, which only a .json file can hold";
        default: return "a text of at most 1024 bytes";
    }
}

std::string key_patterns() {
    std::string out = "custom.*";
    for (const auto& g : k_groups) {
        if (is_array(g.name)) out += "," + std::string(g.name);
        out += "," + std::string(g.name) + ".*";
    }
    return out;
}

}  // namespace sigrun::local
