// Recorded machines in, facts out.
#include "calls.hpp"

#include <sys/fsuid.h>
#include <sys/utsname.h>

#include <thread>

namespace sigrun::os {
namespace {

using machines::facts_below;
using machines::status_of;
using machines::value_of;

class os_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(os_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "os", facts_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(machines, os_probe_golden,
                         testing::Values("bare_v2", "v2_nested", "v1_unlimited", "hybrid_parent_limit", "docker_v1",
                                         "arm_hybrid", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

TEST(os_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_of_tree(empty);
    EXPECT_GT(facts.size(), 25u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(os_probe, the_live_machine_agrees_with_uname) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    utsname names{};
    ASSERT_EQ(::uname(&names), 0);
    EXPECT_EQ(value_of(facts, "kernel.release"), machines::json::value(names.release));
    EXPECT_EQ(value_of(facts, "host.arch"), machines::json::value(names.machine));
    EXPECT_EQ(value_of(facts, "host.hostname"), machines::json::value(names.nodename));
    EXPECT_EQ(status_of(facts, "os.id"), "ok");
}

TEST(os_probe, identity_is_marked_so_that_it_stays_out_of_the_class_hash) {
    const auto facts = facts_of("bare_v2");
    for (const char* key : {"host.id", "host.boot_id", "host.hostname", "host.boot_time_s"})
        EXPECT_TRUE(facts.at(key).contains("unique")) << key;
    for (const char* key : {"os.id", "host.arch", "kernel.release"})
        EXPECT_FALSE(facts.at(key).contains("unique")) << key;
}

TEST(os_probe, links_inside_a_recorded_tree_do_not_lead_out_of_it) {
    machines::scratch_tree tree;
    tree.write("usr/lib/os-release", "ID=inside\n").write("etc/x", "");
    std::filesystem::create_symlink("/usr/lib/os-release", tree.path() + "/etc/os-release");
    std::filesystem::create_symlink("../../../../../../../../etc/machine-id", tree.path() + "/etc/machine-id");
    const auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "os.id"), machines::json::value("inside"));
    EXPECT_FALSE(facts.at("host.id").contains("value"));
}

TEST(os_probe, a_pipe_in_place_of_a_file_is_not_read) {
    machines::scratch_tree tree;
    tree.write("etc/x", "");
    ASSERT_EQ(::mkfifo((tree.path() + "/etc/os-release").c_str(), 0600), 0);
    EXPECT_EQ(status_of(facts_of_tree(tree), "os.id"), "unsupported");
}

TEST(os_probe, a_denied_file_is_denied_and_not_absent) {
    machines::scratch_tree tree;
    tree.write("etc/os-release", "ID=secret\n");
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/etc/os-release", std::filesystem::perms::none);
    machines::fact_map facts;
    // Root may read everything; this one thread gives that up for its file accesses.
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of_tree(tree);
    }).join();
    EXPECT_EQ(status_of(facts, "os.id"), "denied");
}

TEST(os_probe, a_file_that_is_too_large_is_an_error) {
    machines::scratch_tree tree;
    tree.write("etc/os-release", "ID=big\n" + std::string(70'000, '#'));
    EXPECT_EQ(status_of(facts_of_tree(tree), "os.id"), "error");
}

TEST(os_probe, boards_without_smbios_are_named_by_their_device_tree) {
    machines::scratch_tree tree;
    tree.write("proc/device-tree/model", std::string("Raspberry Pi 4 Model B Rev 1.4\0", 31))
        .write("proc/device-tree/compatible", std::string("raspberrypi,4-model-b\0brcm,bcm2711\0", 35));
    auto facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "host.product"), machines::json::value("Raspberry Pi 4 Model B Rev 1.4"));
    EXPECT_EQ(value_of(facts, "host.vendor"), machines::json::value("raspberrypi"));
    tree.write("sys/class/dmi/id/sys_vendor", "Ampere\n");
    facts = facts_of_tree(tree);
    EXPECT_EQ(value_of(facts, "host.vendor"), machines::json::value("Ampere"));
    EXPECT_EQ(status_of(facts, "host.product"), "absent");
}

}  // namespace
}  // namespace sigrun::os
