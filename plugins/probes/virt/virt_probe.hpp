// What the virt probe reads: the virtual machine, the container and the orchestrator around this process, each with the
// evidence for it. A virtual machine and a container are two facts. Pure but for the files below the sysroot and the call
// table.
#pragma once

#include <sigrun/cpp/probe.hpp>
#include <sigrun/cpp/procfs.hpp>

#include <functional>
#include <set>

namespace sigrun::virt {

struct cpuid_regs {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
/// What is not a file; an empty function does not exist here (a recorded tree, another architecture).
struct machine_calls {
    std::function<cpuid_regs(std::uint32_t leaf)> cpuid;
};
machine_calls live_calls();

/// "cpuid:KVMKVMKVM", "dmi:QEMU", "/.dockerenv": what the answers rest on. Bounded; a set, so that it is stable.
class evidence_set {
public:
    static constexpr std::size_t k_most = 32, k_longest = 96;
    void add(std::string_view source, std::string_view text = {}) {
        if (items_.size() == k_most) return;
        auto item = std::string(source) + (text.empty() ? "" : ":") + std::string(text);
        items_.insert(item.substr(0, k_longest));
    }
    std::vector<std::string> items() const { return {items_.begin(), items_.end()}; }
    bool empty() const noexcept { return items_.empty(); }

private:
    std::set<std::string> items_;
};

/// Texts of the firmware's identification, trimmed; empty where there is none.
struct firmware {
    explicit firmware(const sdk::sysroot& root);
    sdk::file_text first;  // why there is no vendor; before the others, whose making fills it
    std::string vendor, product, board, bios, bios_version, asset_tag;
    bool known() const noexcept { return !vendor.empty() || !product.empty() || !bios.empty(); }
    std::string hypervisor() const;  // "kvm", "vmware"; empty: names none
    std::string cloud() const;       // "aws", "gcp"; empty: names none
};

/// Which of this process's name spaces are those of the machine. The kernel gives the first ones fixed numbers.
struct name_spaces {
    explicit name_spaces(const sdk::sysroot& root);
    bool known = false;          // at least the process name space could be told
    bool own_processes = false;  // the process name space is not the machine's
    bool own_any = false;        // that one, or the one for host names or IPC, is not
};

void read_machine(const sdk::sysroot& root, const machine_calls& calls, evidence_set& evidence,
                  sdk::fact_writer& facts);
void read_container(const sdk::sysroot& root, evidence_set& evidence, sdk::fact_writer& facts);
void read_orchestrator(const sdk::sysroot& root, evidence_set& evidence, sdk::fact_writer& facts);

inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    evidence_set evidence;
    auto& facts = run.facts();
    read_machine(root, calls, evidence, facts);
    if (!run.go_on()) return;
    read_container(root, evidence, facts);
    read_orchestrator(root, evidence, facts);
    const sdk::fact_info info{.source = "cpuid dmi device-tree /proc /run", .method = "derived"};
    if (evidence.empty())
        facts.none("virt.evidence", "absent", {.source = info.source, .detail = "nothing points to either"});
    else
        facts.ok("virt.evidence", evidence.items(), info);
}

}  // namespace sigrun::virt
