// Confidential computing: enclaves, and encrypted guests from both sides.
#include "security_probe.hpp"

namespace sigrun::security {
namespace {

using sdk::fact_info;
using sdk::read_status;

/// What the first processor says about itself.
struct processor {
    sdk::file_text file;
    std::optional<std::vector<std::string_view>> flags;
    explicit processor(const sdk::sysroot& root) : file(root.read_head("/proc/cpuinfo", 64 * 1024)) {
        if (const auto line = sdk::field(file.text, "flags")) flags = sdk::words(*line);
    }
    bool has(std::string_view flag) const {
        return flags && std::find(flags->begin(), flags->end(), flag) != flags->end();
    }
    void not_x86(sdk::fact_writer& facts, std::string_view key) const {
        if (!file) return facts.missing(key, file, {}, "");
        facts.none(key, "unsupported", {.source = file.path, .detail = "x86 only"});
    }
};

/// Memory that the kernel has taken for enclaves, over all nodes; nothing if it does not tell.
std::optional<std::uint64_t> enclave_memory(const sdk::sysroot& root) {
    const std::string nodes = "/sys/devices/system/node";
    std::optional<std::uint64_t> sum;
    for (const auto& node : root.list(nodes)) {
        if (!node.starts_with("node")) continue;
        const auto bytes = sdk::parse_u64(root.read(nodes + "/" + node + "/x86/sgx_total_bytes", 64).text);
        if (bytes && *bytes <= std::numeric_limits<std::uint64_t>::max() - sum.value_or(0))
            sum = sum.value_or(0) + *bytes;
    }
    return sum;
}

void sgx(const sdk::sysroot& root, const processor& cpu, sdk::fact_writer& facts) {
    const auto memory = enclave_memory(root);
    const std::string_view source = "/sys/devices/system/node/node*/x86/sgx_total_bytes";
    if (memory && *memory > 0)
        facts.ok("sec.sgx_epc_bytes", *memory, {.source = source});
    else
        facts.none("sec.sgx_epc_bytes", "absent", {.source = source, .detail = "the kernel has no enclave memory"});
    if (!cpu.flags) return cpu.not_x86(facts, "sec.sgx");
    // The flag alone is not enough: firmware may have it switched off (kubernetes-sigs/node-feature-discovery#638).
    if (!cpu.has("sgx")) return facts.ok("sec.sgx", false, {.source = cpu.file.path, .method = "derived"});
    if (memory) return facts.ok("sec.sgx", *memory > 0, {.source = source, .method = "derived"});
    const auto device = root.probe("/dev/sgx_enclave");
    facts.ok("sec.sgx", device == read_status::ok,
             {.source = "/dev/sgx_enclave", .method = "derived", .confidence = 90});
}

/// A parameter of a kernel module; absent and false are told apart by whether modules can be seen at all.
void host_switch(const sdk::sysroot& root, sdk::fact_writer& facts, std::string_view key, std::string_view path) {
    const auto file = root.read(path, 64);
    if (file.status == read_status::absent && !root.list("/sys/module").empty())
        return facts.ok(key, false, {.source = "/sys/module", .method = "derived"});
    facts.parsed(key, switch_of(file.text), file, {});
}

void sev_host(const sdk::sysroot& root, sdk::fact_writer& facts) {
    std::string_view best = "none";
    for (const auto& [name, level] :
         {std::pair{"sev", "sev"}, std::pair{"sev_es", "sev-es"}, std::pair{"sev_snp", "sev-snp"}}) {
        const auto file = root.read(std::string("/sys/module/kvm_amd/parameters/") + name, 64);
        if (file.status == read_status::absent) continue;
        const auto on = switch_of(file.text);
        if (!on) return facts.parsed<std::string>("sec.sev", std::nullopt, file, {});
        if (*on) best = level;
    }
    if (root.list("/sys/module").empty())
        return facts.none("sec.sev", "absent", {.source = "/sys/module", .detail = "modules are not visible"});
    facts.ok("sec.sev", best, {.source = "/sys/module/kvm_amd/parameters", .method = "derived"});
}

void guests(const sdk::sysroot& root, const processor& cpu, sdk::fact_writer& facts) {
    if (!cpu.flags) {
        cpu.not_x86(facts, "sec.tdx_guest");
        return cpu.not_x86(facts, "sec.sev_guest");
    }
    facts.ok("sec.tdx_guest", cpu.has("tdx_guest"), {.source = cpu.file.path, .method = "derived"});
    if (root.probe("/dev/sev-guest") == read_status::ok)
        return facts.ok("sec.sev_guest", true, {.source = "/dev/sev-guest", .method = "derived"});
    // Guests of the first two generations have no device: only what cannot be one is "no".
    const auto vendor = sdk::field(cpu.file.text, "vendor_id").value_or("");
    const bool amd = vendor == "AuthenticAMD" || vendor == "HygonGenuine";
    if (!amd || !cpu.has("hypervisor"))
        return facts.ok("sec.sev_guest", false, {.source = cpu.file.path, .method = "derived"});
    facts.none("sec.sev_guest", "absent", {.source = "/dev/sev-guest", .detail = "only SEV-SNP guests have a device"});
}

}  // namespace

void read_enclaves(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const processor cpu(root);
    sgx(root, cpu, facts);
    host_switch(root, facts, "sec.tdx_host", "/sys/module/kvm_intel/parameters/tdx");
    sev_host(root, facts);
    guests(root, cpu, facts);
}

}  // namespace sigrun::security
