// The virtual machine: the processor's hypervisor leaf, then firmware, then what only some platforms have. Firmware that
// names a product wins over the leaf where the product runs on somebody else's hypervisor (as systemd-detect-virt does).
#include "virt_probe.hpp"

#include <cstring>

namespace sigrun::virt {
namespace {

using sdk::fact_info;
using sdk::read_status;

struct processor {
    std::optional<bool> hypervisor;  // the bit that hypervisors set; nothing: this architecture has none
    bool can_host = false;           // vmx or svm
    sdk::file_text file;
};

processor read_processor(const sdk::sysroot& root, const machine_calls& calls) {
    processor p;
    p.file = root.read_head("/proc/cpuinfo", 64 * 1024);
    if (const auto line = sdk::field(p.file.text, "flags")) {
        p.hypervisor = false;
        for (auto w : sdk::words(*line)) {
            if (w == "hypervisor") p.hypervisor = true;
            if (w == "vmx" || w == "svm") p.can_host = true;
        }
    }
    if (calls.cpuid) p.hypervisor = calls.cpuid(1).ecx >> 31 & 1;
    return p;
}

/// The twelve bytes of leaf 0x40000000, without the NULs and blanks at their end.
std::string hypervisor_signature(const machine_calls& calls) {
    const auto r = calls.cpuid(0x40000000u);
    char text[12];
    std::memcpy(text, &r.ebx, 4);
    std::memcpy(text + 4, &r.ecx, 4);
    std::memcpy(text + 8, &r.edx, 4);
    std::string out(sdk::trimmed({text, sizeof text}));
    for (char& c : out)
        if (c < ' ' || c > '~') c = '?';
    return out;
}

std::string name_of_signature(std::string_view signature) {
    constexpr std::pair<std::string_view, std::string_view> k_known[] = {
        {"KVMKVMKVM", "kvm"},       {"Linux KVM Hv", "kvm"},       {"TCGTCGTCGTCG", "qemu"},
        {"VMwareVMware", "vmware"}, {"Microsoft Hv", "microsoft"}, {"XenVMMXenVMM", "xen"},
        {"bhyve bhyve", "bhyve"},   {"prl hyperv", "parallels"},   {"lrpepyh vr", "parallels"},
        {"VBoxVBoxVBox", "oracle"}, {"QNXQVMBSQG", "qnx"},         {"ACRNACRNACRN", "acrn"},
        {"SRESRESRESRE", "sre"},    {"Apple VZ", "apple"}};
    for (const auto& [text, name] : k_known)
        if (signature == text) return std::string(name);
    return "other";
}

/// Where there is no firmware table: the tree that arm and POWER firmware hands over.
std::string device_tree(const sdk::sysroot& root, evidence_set& evidence) {
    const auto hypervisor = root.read("/proc/device-tree/hypervisor/compatible", 4096);
    const std::string text(hypervisor.trim().substr(0, hypervisor.trim().find('\0')));
    if (!text.empty()) {
        evidence.add("device-tree", text);
        if (text == "linux,kvm") return "kvm";
        if (text.starts_with("xen,xen")) return "xen";
        if (text == "vmware") return "vmware";
        return "other";
    }
    const auto model = root.read("/proc/device-tree/compatible", 4096);
    if (model.text.find("dummy-virt") != model.text.npos) {
        evidence.add("device-tree", "linux,dummy-virt");
        return "kvm";
    }
    for (const auto& name : root.list("/proc/device-tree"))
        if (name.starts_with("fw-cfg")) {
            evidence.add("device-tree", "fw-cfg");
            return "qemu";
        }
    return {};
}

/// "xen", "none" for the domain that owns the machine, or empty.
std::string xen(const sdk::sysroot& root, evidence_set& evidence) {
    const auto capabilities = root.read("/proc/xen/capabilities", 256);
    if (capabilities && capabilities.text.find("control_d") != capabilities.text.npos) {
        evidence.add("/proc/xen/capabilities", "control_d");
        return "none";
    }
    const auto type = root.read("/sys/hypervisor/type", 64);
    if (type && type.trim() == "xen") {
        evidence.add("/sys/hypervisor/type", "xen");
        return "xen";
    }
    return {};
}

/// s390x: which program runs the guest; without one it is a partition, which the machine itself makes.
std::string mainframe(const sdk::sysroot& root, evidence_set& evidence) {
    const auto file = root.read("/proc/sysinfo", 64 * 1024);
    if (!file) return {};
    const auto program = sdk::field(file.text, "VM00 Control Program").value_or("");
    for (const auto& [text, name] : {std::pair{"z/VM", "zvm"}, std::pair{"KVM/Linux", "kvm"}})
        if (program.starts_with(text)) {
            evidence.add("/proc/sysinfo", text);
            return name;
        }
    return program.empty() ? "none" : "other";
}

struct verdict {
    std::string vm, source;
};

verdict judge(const sdk::sysroot& root, const machine_calls& calls, const firmware& dmi, const processor& cpu,
              evidence_set& evidence) {
    const auto by_firmware = dmi.hypervisor();
    if (!by_firmware.empty()) evidence.add("dmi", dmi.product.empty() ? dmi.vendor : dmi.product);
    if (sdk::field(cpu.file.text, "vendor_id") == "User Mode Linux") {
        evidence.add("/proc/cpuinfo", "User Mode Linux");
        return {"uml", "/proc/cpuinfo"};
    }
    if (auto by_xen = xen(root, evidence); by_xen == "none") return {by_xen, "/proc/xen/capabilities"};
    std::string by_leaf;
    if (cpu.hypervisor == true && calls.cpuid) {
        const auto signature = hypervisor_signature(calls);
        evidence.add("cpuid", signature.empty() ? "unnamed" : signature);
        by_leaf = name_of_signature(signature);
    } else if (cpu.hypervisor == true) {
        evidence.add("/proc/cpuinfo", "hypervisor");
    }
    for (std::string_view product : {"oracle", "xen", "amazon", "parallels", "google"})
        if (by_firmware == product) return {by_firmware, "/sys/class/dmi/id"};
    if (!by_leaf.empty() && by_leaf != "other") return {by_leaf, "cpuid:40000000"};
    if (!by_firmware.empty()) return {by_firmware, "/sys/class/dmi/id"};
    if (auto by_xen = xen(root, evidence); !by_xen.empty()) return {by_xen, "/sys/hypervisor/type"};
    if (auto by_tree = device_tree(root, evidence); !by_tree.empty()) return {by_tree, "/proc/device-tree"};
    if (auto by_sysinfo = mainframe(root, evidence); !by_sysinfo.empty()) return {by_sysinfo, "/proc/sysinfo"};
    if (cpu.hypervisor == true) return {"other", calls.cpuid ? "cpuid:1" : "/proc/cpuinfo"};
    if (cpu.hypervisor == false) return {"none", calls.cpuid ? "cpuid:1" : "/proc/cpuinfo"};
    if (dmi.known()) return {"none", "/sys/class/dmi/id"};
    if (root.read("/proc/device-tree/compatible", 4096)) return {"none", "/proc/device-tree"};
    return {};
}

/// May virtual machines run in here? In a virtual machine: do its processors offer it; else: do the modules allow guests
/// to have guests.
void nested(const sdk::sysroot& root, const verdict& v, const processor& cpu, sdk::fact_writer& facts) {
    if (v.vm.empty())
        return facts.none("virt.nested", "absent",
                          {.source = "virt.vm", .detail = "not known to be a virtual machine"});
    if (v.vm != "none") {
        const bool device = root.probe("/dev/kvm") == read_status::ok;
        if (device || cpu.can_host)
            return facts.ok("virt.nested", true,
                            {.source = device ? std::string_view("/dev/kvm") : std::string_view("/proc/cpuinfo"),
                             .method = "derived"});
        if (cpu.file) return facts.ok("virt.nested", false, {.source = "/proc/cpuinfo", .method = "derived"});
        return facts.missing("virt.nested", cpu.file, {}, "");
    }
    auto file = root.read("/sys/module/kvm_intel/parameters/nested", 64);
    if (!file) file = root.read("/sys/module/kvm_amd/parameters/nested", 64);
    std::optional<bool> on;
    if (file.trim() == "Y" || file.trim() == "1") on = true;
    if (file.trim() == "N" || file.trim() == "0") on = false;
    facts.parsed("virt.nested", on, file, {.volatility = "slow"});
}

void cloud(const firmware& dmi, sdk::fact_writer& facts) {
    const auto provider = dmi.cloud();
    if (!provider.empty())
        return facts.ok("cloud.provider", provider, {.source = "/sys/class/dmi/id", .method = "derived"});
    if (dmi.known())
        return facts.none("cloud.provider", "absent",
                          {.source = "/sys/class/dmi/id", .detail = "firmware names no known provider"});
    facts.missing("cloud.provider", dmi.first, {}, "firmware does not say");
}

}  // namespace

void read_machine(const sdk::sysroot& root, const machine_calls& calls, evidence_set& evidence,
                  sdk::fact_writer& facts) {
    const firmware dmi(root);
    const auto cpu = read_processor(root, calls);
    const auto v = judge(root, calls, dmi, cpu, evidence);
    if (v.vm.empty())
        facts.none("virt.vm", "absent", {.source = "cpuid dmi device-tree", .detail = "no source tells"});
    else
        facts.ok("virt.vm", v.vm, {.source = v.source, .method = "derived"});
    nested(root, v, cpu, facts);
    cloud(dmi, facts);
}

}  // namespace sigrun::virt
