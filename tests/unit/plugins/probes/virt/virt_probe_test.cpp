// Recorded machines in, facts out.
#include "virt_probe.hpp"

#include "fixtures/machines/rig.hpp"

#include <sys/fsuid.h>

#include <cstring>
#include <thread>

namespace sigrun::virt {
namespace {

using machines::scratch_tree;
using machines::status_of;
using machines::value_of;
using json = machines::json::value;

machines::fact_map facts_below(const std::string& root, const machine_calls& calls = {}) {
    return machines::facts_below(root, [&](auto& files, auto& run) { collect(files, calls, run); });
}
machines::fact_map facts_of(const scratch_tree& tree, const machine_calls& calls = {}) {
    return facts_below(tree.path(), calls);
}
bool has_evidence(const machines::fact_map& facts, std::string_view begins) {
    const auto set = value_of(facts, "virt.evidence");
    return set.is_array() && std::any_of(set.as_array().begin(), set.as_array().end(), [&](const json& item) {
               return std::string_view(item.as_string()).starts_with(begins);
           });
}

/// A processor below a hypervisor that signs with twelve bytes; empty: no hypervisor.
machine_calls signed_by(std::string signature) {
    machine_calls calls;
    signature.resize(signature.empty() ? 0 : 12);
    calls.cpuid = [signature](std::uint32_t leaf) {
        cpuid_regs r;
        if (leaf == 1) r.ecx = signature.empty() ? 0 : 1u << 31;
        if (leaf == 0x40000000u && !signature.empty()) {
            std::memcpy(&r.ebx, signature.data(), 4);
            std::memcpy(&r.ecx, signature.data() + 4, 4);
            std::memcpy(&r.edx, signature.data() + 8, 4);
        }
        return r;
    };
    return calls;
}
void link(const scratch_tree& tree, const std::string& name, const std::string& to) {
    const auto path = std::filesystem::path(tree.path()) / name;
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::create_symlink(to, path);
}
void machine_spaces(const scratch_tree& tree) {
    link(tree, "proc/self/ns/pid", "pid:[4026531836]");
    link(tree, "proc/self/ns/uts", "uts:[4026531838]");
    link(tree, "proc/self/ns/ipc", "ipc:[4026531839]");
    link(tree, "proc/self/ns/user", "user:[4026531837]");
}

class virt_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(virt_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "virt", facts_below(machines::folder(GetParam())));
}
INSTANTIATE_TEST_SUITE_P(machines, virt_probe_golden, testing::Values("bare_v2", "docker_v1", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

TEST(virt_probe, an_empty_tree_gives_no_value_at_all) {
    const auto facts = facts_of(scratch_tree());
    EXPECT_EQ(facts.size(), 6u);
    for (const auto& [key, f] : facts) EXPECT_EQ(f.at("status"), "absent") << key;
}

TEST(virt_probe, a_hypervisor_is_known_by_its_signature) {
    for (const auto& [signature, name] :
         {std::pair{"KVMKVMKVM", "kvm"}, std::pair{"Microsoft Hv", "microsoft"}, std::pair{"VMwareVMware", "vmware"},
          std::pair{"XenVMMXenVMM", "xen"}, std::pair{"TCGTCGTCGTCG", "qemu"}, std::pair{"NewNewNewNew", "other"},
          std::pair{"\1\2\3", "other"}}) {
        const auto facts = facts_of(scratch_tree(), signed_by(signature));
        EXPECT_EQ(value_of(facts, "virt.vm"), json(name)) << signature;
        EXPECT_TRUE(has_evidence(facts, "cpuid:")) << signature;
    }
    EXPECT_EQ(value_of(facts_of(scratch_tree(), signed_by("")), "virt.vm"), json("none"));
}

TEST(virt_probe, without_cpuid_the_flag_tells_that_there_is_one) {
    scratch_tree tree;
    tree.write("proc/cpuinfo", "flags\t\t: fpu hypervisor svm\n");
    const auto facts = facts_of(tree);
    EXPECT_EQ(value_of(facts, "virt.vm"), json("other"));
    EXPECT_EQ(value_of(facts, "virt.nested"), json(true));
    tree.write("proc/cpuinfo", "flags\t\t: fpu\n");
    EXPECT_EQ(value_of(facts_of(tree), "virt.vm"), json("none"));
    tree.write("proc/cpuinfo", "Features\t: fp asimd\n");
    EXPECT_EQ(status_of(facts_of(tree), "virt.vm"), "absent") << "other architectures have no such flag";
}

struct firmware_case {
    const char *name, *vendor, *product, *tag, *signature, *vm, *cloud;
};
class virt_firmware : public testing::TestWithParam<firmware_case> {};
TEST_P(virt_firmware, names_hypervisor_and_cloud) {
    const auto& c = GetParam();
    scratch_tree tree;
    const std::string id = "sys/class/dmi/id/";
    tree.write(id + "sys_vendor", std::string(c.vendor) + "\n")
        .write(id + "product_name", std::string(c.product) + "\n");
    if (*c.tag) tree.write(id + "chassis_asset_tag", std::string(c.tag) + "\n");
    const auto facts = facts_of(tree, signed_by(c.signature));
    EXPECT_EQ(value_of(facts, "virt.vm"), json(c.vm));
    EXPECT_EQ(value_of(facts, "cloud.provider"), *c.cloud ? json(c.cloud) : json());
    if (!*c.cloud) {
        EXPECT_EQ(status_of(facts, "cloud.provider"), "absent");
    }
}
INSTANTIATE_TEST_SUITE_P(
    machines, virt_firmware,
    testing::Values(firmware_case{"nitro", "Amazon EC2", "m7i.large", "", "KVMKVMKVM", "amazon", "aws"},
                    firmware_case{"nitro_metal", "Amazon EC2", "m7i.metal-24xl", "", "", "none", "aws"},
                    firmware_case{"gcp", "Google", "Google Compute Engine", "", "KVMKVMKVM", "google", "gcp"},
                    firmware_case{"azure", "Microsoft Corporation", "Virtual Machine",
                                  "7783-7084-3265-9085-8269-3286-77", "Microsoft Hv", "microsoft", "azure"},
                    firmware_case{"hyper_v_next_door", "Microsoft Corporation", "Virtual Machine", "", "Microsoft Hv",
                                  "microsoft", ""},
                    firmware_case{"surface", "Microsoft Corporation", "Surface Pro 9", "", "", "none", ""},
                    firmware_case{"qemu", "QEMU", "Standard PC (Q35 + ICH9, 2009)", "", "KVMKVMKVM", "kvm", ""},
                    firmware_case{"qemu_without_leaf", "QEMU", "Standard PC", "", "????????????", "qemu", ""},
                    firmware_case{"virtualbox_on_kvm", "innotek GmbH", "VirtualBox", "", "KVMKVMKVM", "oracle", ""},
                    firmware_case{"hetzner", "Hetzner", "vServer", "", "KVMKVMKVM", "kvm", "hetzner"},
                    firmware_case{"server", "Supermicro", "SYS-111E", "", "", "none", ""}),
    [](const auto& p) { return std::string(p.param.name); });

TEST(virt_probe, denied_firmware_is_denied) {
    scratch_tree tree;
    tree.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/sys/class/dmi/id/sys_vendor", std::filesystem::perms::none);
    machines::fact_map facts;
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of(tree);
    }).join();
    EXPECT_EQ(status_of(facts, "cloud.provider"), "denied");
}

TEST(virt_probe, the_first_domain_of_xen_is_no_guest) {
    scratch_tree tree;
    tree.write("proc/xen/capabilities", "control_d\n").write("sys/hypervisor/type", "xen\n");
    EXPECT_EQ(value_of(facts_of(tree, signed_by("XenVMMXenVMM")), "virt.vm"), json("none"));
    tree.write("proc/xen/capabilities", "\n");
    EXPECT_EQ(value_of(facts_of(tree), "virt.vm"), json("xen"));
}

TEST(virt_probe, boards_without_smbios_have_a_device_tree) {
    scratch_tree board;
    board.write("proc/device-tree/compatible", std::string("raspberrypi,4-model-b\0brcm,bcm2711\0", 35));
    EXPECT_EQ(value_of(facts_of(board), "virt.vm"), json("none"));
    scratch_tree guest;
    guest.write("proc/device-tree/compatible", std::string("linux,dummy-virt\0", 17));
    EXPECT_EQ(value_of(facts_of(guest), "virt.vm"), json("kvm"));
    scratch_tree xen;
    xen.write("proc/device-tree/hypervisor/compatible", std::string("xen,xen-4.16\0xen,xen\0", 21));
    EXPECT_EQ(value_of(facts_of(xen), "virt.vm"), json("xen"));
}

TEST(virt_probe, nested_is_asked_of_the_processor_in_a_guest_and_of_the_module_on_a_machine) {
    scratch_tree guest;
    guest.write("proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
    EXPECT_EQ(value_of(facts_of(guest), "virt.nested"), json(false));
    guest.write("dev/kvm", "");
    EXPECT_EQ(value_of(facts_of(guest), "virt.nested"), json(true));
    scratch_tree machine;
    machine.write("proc/cpuinfo", "flags\t\t: fpu vmx\n");
    EXPECT_EQ(status_of(facts_of(machine), "virt.nested"), "absent");
    machine.write("sys/module/kvm_intel/parameters/nested", "N\n");
    EXPECT_EQ(value_of(facts_of(machine), "virt.nested"), json(false));
    machine.write("sys/module/kvm_intel/parameters/nested", "2\n");
    EXPECT_EQ(status_of(facts_of(machine), "virt.nested"), "error");
}

TEST(virt_probe, a_left_over_marker_makes_no_container) {
    scratch_tree tree;
    tree.write(".dockerenv", "");
    machine_spaces(tree);
    auto facts = facts_of(tree);
    EXPECT_EQ(value_of(facts, "virt.container"), json("none"));
    EXPECT_TRUE(has_evidence(facts, "/.dockerenv:left over"));
    std::filesystem::remove(tree.path() + "/proc/self/ns/uts");
    link(tree, "proc/self/ns/uts", "uts:[4026532201]");
    EXPECT_EQ(value_of(facts_of(tree), "virt.container"), json("docker"));
    scratch_tree sandbox;
    sandbox.write(".dockerenv", "");
    machine_spaces(sandbox);
    std::filesystem::remove(sandbox.path() + "/proc/self/ns/user");
    link(sandbox, "proc/self/ns/user", "user:[4026532300]");
    EXPECT_EQ(value_of(facts_of(sandbox), "virt.container"), json("none")) << "a user name space alone is none";
}

TEST(virt_probe, a_process_with_name_spaces_of_its_own_is_in_a_container) {
    if (::geteuid() != 0 || value_of(facts_below("", live_calls()), "virt.container") != json("none"))
        GTEST_SKIP() << "needs root outside a container";
    const auto text = machines::output_of("unshare --pid --uts --ipc --fork --mount-proc " SIGRUN_BUILD_DIR
                                          "/tests/unit_virt --gtest_filter='*the_container_has_a_name'");
    EXPECT_TRUE(text.find("container=docker\n") != text.npos || text.find("container=other\n") != text.npos) << text;
}

TEST(virt_probe, the_container_has_a_name) {  // also the inner half of the test above
    const auto name = value_of(facts_below("", live_calls()), "virt.container");
    ASSERT_TRUE(name.is_string());
    std::printf("container=%s\n", name.as_string().c_str());
}

TEST(virt_probe, managers_that_sign_are_believed) {
    for (const auto& [file, text, name] :
         {std::tuple{"run/systemd/container", std::string("systemd-nspawn\n"), "systemd-nspawn"},
          std::tuple{"run/host/container-manager", std::string("toolbox\n"), "toolbox"},
          std::tuple{"proc/1/environ", std::string("PATH=/bin\0container=lxc\0", 24), "lxc"},
          std::tuple{"proc/sys/kernel/osrelease", std::string("5.15.90.1-microsoft-standard-WSL2\n"), "wsl"},
          std::tuple{"run/.containerenv", std::string("engine=\"podman-4.3.1\"\n"), "podman"},
          std::tuple{"proc/self/cgroup", std::string("0::/system.slice/docker-0123abcd.scope\n"), "docker"},
          std::tuple{"proc/self/cgroup", std::string("0::/kubepods.slice/cri-containerd-0123.scope\n"), "containerd"},
          std::tuple{
              "proc/self/mountinfo",
              std::string("1 2 0:3 /var/lib/docker/containers/0123abcd/hostname /etc/hostname rw - ext4 /dev/a rw\n"),
              "docker"}}) {
        scratch_tree tree;
        tree.write(file, text);
        const auto facts = facts_of(tree);
        EXPECT_EQ(value_of(facts, "virt.container"), json(name)) << file << " " << text;
        ASSERT_EQ(status_of(facts, "virt.evidence"), "ok") << file;
        // Equal runners must have equal facts: nothing of one container's id.
        EXPECT_EQ(machines::json::serialize(value_of(facts, "virt.evidence")).find("0123"), std::string::npos) << file;
    }
}

TEST(virt_probe, an_own_process_name_space_without_a_name_is_some_container) {
    scratch_tree tree;
    link(tree, "proc/self/ns/pid", "pid:[4026532444]");
    EXPECT_EQ(value_of(facts_of(tree), "virt.container"), json("other"));
    scratch_tree odd;
    link(odd, "proc/self/ns/pid", "pid:[many]");
    EXPECT_EQ(status_of(facts_of(odd), "virt.container"), "absent");
}

TEST(virt_probe, an_orchestrator_is_known_by_variables_whose_values_stay_unread) {
    scratch_tree tree;
    tree.write("proc/self/environ", std::string("NOMAD_ALLOC_ID=hidden\0", 22));
    auto facts = facts_of(tree);
    EXPECT_EQ(value_of(facts, "virt.orchestrator"), json("nomad"));
    for (const auto& [key, f] : facts) EXPECT_EQ(machines::json::serialize(f).find("hidden"), std::string::npos) << key;
    scratch_tree pod;
    pod.write("proc/self/cgroup", "0::/kubepods/burstable/pod1\n");
    EXPECT_EQ(value_of(facts_of(pod), "virt.orchestrator"), json("kubernetes"));
}

TEST(virt_probe, evidence_is_bounded) {
    evidence_set evidence;
    for (int i = 0; i < 1000; ++i) evidence.add("source", std::to_string(i) + std::string(1000, 'x'));
    EXPECT_EQ(evidence.items().size(), evidence_set::k_most);
    for (const auto& item : evidence.items()) EXPECT_LE(item.size(), evidence_set::k_longest);
}

TEST(virt_probe, this_machine_is_what_systemd_detects) {
    const auto facts = facts_below("", live_calls());
    int status = 0;  // 1: none
    const auto text = machines::output_of("systemd-detect-virt --vm", &status);
    ASSERT_LE(status, 1) << "systemd is missing: etc/install-deps.sh installs it";
    EXPECT_EQ(value_of(facts, "virt.vm"), json(sdk::trimmed(text)));

    const auto container = machines::output_of("systemd-detect-virt --container", &status);
    ASSERT_LE(status, 1);
    // It believes a left over /.dockerenv; then nothing but the marker may speak for docker.
    if (has_evidence(facts, "/.dockerenv:left over")) {
        EXPECT_EQ(sdk::trimmed(container), "docker");
        EXPECT_EQ(value_of(facts, "virt.container"), json("none"));
    } else {
        EXPECT_EQ(value_of(facts, "virt.container") == json("none"), sdk::trimmed(container) == "none");
    }
}

}  // namespace
}  // namespace sigrun::virt
