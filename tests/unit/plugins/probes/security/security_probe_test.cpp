// Recorded machines in, facts out.
#include "calls.hpp"

#include <sys/fsuid.h>

#include <csignal>
#include <thread>

namespace sigrun::security {
namespace {

using machines::facts_below;
using machines::scratch_tree;
using machines::status_of;
using machines::value_of;
using json = machines::json::value;

class security_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(security_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "security", facts_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(machines, security_probe_golden, testing::Values("bare_v2", "docker_v1", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

TEST(security_probe, an_empty_tree_gives_no_value_at_all) {
    const auto facts = facts_of_tree(scratch_tree());
    EXPECT_EQ(facts.size(), 23u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(security_probe, capabilities_have_names_and_later_ones_have_numbers) {
    EXPECT_EQ(capability_names("0000000000000000"), std::vector<std::string>());
    EXPECT_EQ(capability_names("0000000000000081"), (std::vector<std::string>{"cap_chown", "cap_setuid"}));
    EXPECT_EQ(capability_names("8000010000000000"), (std::vector<std::string>{"cap_checkpoint_restore", "cap_63"}));
    for (const char* mask : {"", "x", "0x1", "-1", "1 2", "10000000000000000"})
        EXPECT_FALSE(capability_names(mask)) << mask;
}

TEST(security_probe, the_effective_user_counts) {
    scratch_tree tree;
    tree.write("proc/self/status", "Uid:\t1000\t0\t0\t0\n");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.uid_root"), json(true));
    tree.write("proc/self/status", "Uid:\t0\t1000\t0\t0\n");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.uid_root"), json(false));
    tree.write("proc/self/status", "Uid:\t0\nCapEff:\t1 2\nNoNewPrivs:\t2\nSeccomp:\t3\n");
    const auto facts = facts_of_tree(tree);
    for (const char* key : {"sec.uid_root", "sec.caps", "sec.no_new_privs", "sec.seccomp_mode"})
        EXPECT_EQ(status_of(facts, key), "error") << key;
}

TEST(security_probe, a_denied_weakness_makes_the_sets_unknown) {
    scratch_tree tree;
    const std::string folder = "sys/devices/system/cpu/vulnerabilities/";
    tree.write(folder + "meltdown", "Mitigation: PTI\n").write(folder + "mds", "Vulnerable\n");
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/" + folder + "mds", std::filesystem::perms::none);
    machines::fact_map facts;
    // Root may read everything; this one thread gives that up for its file accesses.
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of_tree(tree);
    }).join();
    EXPECT_EQ(status_of(facts, "sec.vulnerable"), "denied");
    EXPECT_EQ(status_of(facts, "sec.mitigations"), "denied");
}

TEST(security_probe, weaknesses_are_bounded_in_number_and_length) {
    scratch_tree tree;
    const std::string folder = "sys/devices/system/cpu/vulnerabilities/";
    tree.write(folder + "long", "Mitigation: " + std::string(4000, 'x') + "\n");
    const auto set = value_of(facts_of_tree(tree), "sec.mitigations");
    ASSERT_TRUE(set.is_array());
    EXPECT_LE(set.as_array().at(0).as_string().size(), 300u);
    for (int i = 0; i < 200; ++i) tree.write(folder + "name" + std::to_string(i), "Vulnerable\n");
    EXPECT_EQ(status_of(facts_of_tree(tree), "sec.vulnerable"), "error");
}

TEST(security_probe, selinux_has_three_states_and_a_fourth_that_is_not_known) {
    scratch_tree tree;
    tree.write("proc/filesystems", "nodev\tsysfs\nnodev\tselinuxfs\n");
    EXPECT_EQ(status_of(facts_of_tree(tree), "sec.selinux"), "unsupported");
    tree.write("sys/fs/selinux/enforce", "1");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.selinux"), json("enforcing"));
    tree.write("sys/fs/selinux/enforce", "0");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.selinux"), json("permissive"));
    scratch_tree without;
    without.write("proc/filesystems", "nodev\tsysfs\n");
    EXPECT_EQ(value_of(facts_of_tree(without), "sec.selinux"), json("disabled"));
}

TEST(security_probe, secure_boot_is_the_fifth_byte_of_the_variable) {
    const std::string name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    scratch_tree tree;
    for (const auto& [bytes, status] :
         {std::pair{std::string("\6\0\0\0\1", 5), "ok"}, std::pair{std::string("\6\0\0\0\0", 5), "ok"},
          std::pair{std::string("\6\0\0\0\2", 5), "error"}, std::pair{std::string("\6\0\0\0", 4), "error"},
          std::pair{std::string(), "error"}, std::pair{std::string(100, '\1'), "error"}}) {
        tree.write(name, bytes);
        const auto facts = facts_of_tree(tree);
        EXPECT_EQ(status_of(facts, "sec.secure_boot"), status) << bytes.size();
        if (bytes.size() == 5 && bytes[4] < 2) {
            EXPECT_EQ(value_of(facts, "sec.secure_boot"), json(bytes[4] == 1));
        }
    }
    scratch_tree bios;
    bios.write("sys/firmware/acpi/pm_profile", "4\n");
    EXPECT_EQ(value_of(facts_of_tree(bios), "sec.secure_boot"), json(false));
}

TEST(security_probe, an_old_kernel_tells_the_tpm_by_its_capabilities) {
    scratch_tree tree;
    tree.write("sys/class/tpm/tpm0/device/caps",
               "Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 3.19\n");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.tpm"), json("1.2"));
    scratch_tree unknown;
    unknown.write("sys/class/tpm/tpm0/dev", "10:224\n");
    EXPECT_EQ(status_of(facts_of_tree(unknown), "sec.tpm"), "absent");
}

TEST(security_probe, sgx_that_firmware_switched_off_is_no_sgx) {
    scratch_tree tree;
    tree.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu sgx tdx_guest hypervisor\n");
    tree.write("sys/devices/system/node/node0/x86/sgx_total_bytes", "0\n");
    auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "sec.sgx"), json(false));
    EXPECT_EQ(status_of(facts, "sec.sgx_epc_bytes"), "absent");
    EXPECT_EQ(value_of(facts, "sec.tdx_guest"), json(true));
    tree.write("sys/devices/system/node/node0/x86/sgx_total_bytes", "1048576\n");
    tree.write("sys/devices/system/node/node1/x86/sgx_total_bytes", "2097152\n");
    facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "sec.sgx"), json(true));
    EXPECT_EQ(value_of(facts, "sec.sgx_epc_bytes"), json(3145728));
    tree.write("sys/devices/system/node/node0/x86/sgx_total_bytes", "18446744073709551615\n");
    EXPECT_EQ(value_of(facts_of_tree(tree), "sec.sgx"), json(true)) << "a sum that does not fit is not wrapped";
}

TEST(security_probe, encrypted_guests_from_both_sides) {
    scratch_tree tree;
    tree.write("proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\n");
    tree.write("sys/module/kvm_amd/parameters/sev", "Y\n").write("sys/module/kvm_amd/parameters/sev_es", "Y\n");
    auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "sec.sev"), json("sev-es"));
    EXPECT_EQ(status_of(facts, "sec.sev_guest"), "absent") << "older guests have no device, so there is no saying no";
    tree.write("sys/module/kvm_amd/parameters/sev_snp", "1\n").write("dev/sev-guest", "");
    facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "sec.sev"), json("sev-snp"));
    EXPECT_EQ(value_of(facts, "sec.sev_guest"), json(true));
    EXPECT_EQ(value_of(facts, "sec.tdx_host"), json(false));
}

TEST(security_probe, any_setting_forbids_user_namespaces) {
    const auto allowed = [](const std::vector<std::pair<std::string, std::string>>& files) {
        scratch_tree tree;
        for (const auto& [name, text] : files) tree.write("proc/sys/" + name, text);
        return value_of(facts_of_tree(tree), "sec.userns_allowed");
    };
    const std::pair<std::string, std::string> most{"user/max_user_namespaces", "1000\n"};
    EXPECT_EQ(allowed({most}), json(true));
    EXPECT_EQ(allowed({{"user/max_user_namespaces", "0\n"}}), json(false));
    EXPECT_EQ(allowed({most, {"kernel/unprivileged_userns_clone", "0\n"}}), json(false));
    EXPECT_EQ(allowed({most, {"kernel/unprivileged_userns_clone", "1\n"}}), json(true));
    EXPECT_EQ(allowed({most, {"kernel/apparmor_restrict_unprivileged_userns", "1\n"}}), json(false));
    EXPECT_EQ(allowed({most, {"kernel/unprivileged_userns_clone", "?\n"}}), json());
}

TEST(security_probe, what_landlock_answers_is_kept_apart) {
    const auto status = [](int error) {
        machine_calls calls;
        calls.landlock = [error] { return landlock_answer{0, error}; };
        return status_of(facts_of_tree(scratch_tree(), calls), "sec.landlock_abi");
    };
    EXPECT_EQ(status(ENOSYS), "absent");
    EXPECT_EQ(status(EOPNOTSUPP), "absent");
    EXPECT_EQ(status(EPERM), "denied");
    EXPECT_EQ(status(EIO), "error");
    EXPECT_EQ(status(0), "error");
}

TEST(security_probe, a_trial_that_says_nothing_is_no_answer) {
    using kind = trial_outcome::kind;
    const auto fact = [](trial_outcome outcome) {
        machine_calls calls;
        calls.user_namespace = [outcome](std::chrono::milliseconds) { return outcome; };
        const auto facts =
            facts_below(scratch_tree().path(), [&](auto&, auto& run) { try_user_namespaces(calls, run); });
        return std::pair(status_of(facts, "sec.userns_works"), value_of(facts, "sec.userns_works"));
    };
    EXPECT_EQ(fact({kind::works}), std::pair(std::string("ok"), json(true)));
    EXPECT_EQ(fact({kind::refused, EPERM, "a user namespace"}), std::pair(std::string("ok"), json(false)));
    EXPECT_EQ(fact({kind::killed, SIGSYS}), std::pair(std::string("ok"), json(false)));
    EXPECT_EQ(fact({kind::killed, SIGKILL}).first, "error") << "out of memory forbids nothing";
    EXPECT_EQ(fact({kind::not_started, EAGAIN}).first, "error");
    EXPECT_EQ(fact({kind::timed_out}).first, "timeout");
    EXPECT_EQ(fact({kind::stuck}).first, "timeout");
    const auto none = facts_below(scratch_tree().path(), [](auto&, auto& run) { try_user_namespaces({}, run); });
    EXPECT_EQ(status_of(none, "sec.userns_works"), "absent");
}

}  // namespace
}  // namespace sigrun::security
