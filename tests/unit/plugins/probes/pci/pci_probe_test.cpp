#include "pci_probe.hpp"

#include "fixtures/machines/rig.hpp"

#include <cstdio>

// libpci ends the process on errors and frees nothing before; a scan that failed leaves what it had opened (the README says so).
extern "C" const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() { return "leak:libpci\nleak:__alloc_dir\n"; }

namespace sigrun::pci {
namespace {

using machines::scratch_tree;
using machines::status_of;
using machines::value_of;
namespace json = machines::json;
namespace fs = std::filesystem;

machines::fact_map facts_below(const std::string& root) {
    return machines::facts_below(root, [](auto& files, auto& run) { collect(files, run.facts()); });
}

/// A function as Linux shows it: a folder among the devices, with its configuration space.
void add(scratch_tree& tree, const std::string& address, unsigned vendor, unsigned device, unsigned class_id) {
    const auto folder = "sys/bus/pci/devices/" + address + "/";
    const auto hex = [](unsigned v, int digits) {
        char text[16];
        std::snprintf(text, sizeof text, "0x%0*x\n", digits, v);
        return std::string(text);
    };
    tree.write(folder + "vendor", hex(vendor, 4)).write(folder + "device", hex(device, 4));
    tree.write(folder + "class", hex(class_id << 8, 6));
    tree.write(folder + "subsystem_vendor", hex(0x10de, 4)).write(folder + "subsystem_device", hex(0x16c1, 4));
    tree.write(folder + "irq", "0\n").write(folder + "resource", "");
}

void point(scratch_tree& tree, const std::string& name, const std::string& target) {
    fs::create_symlink(target, fs::path(tree.path()) / name);
}

constexpr std::string_view k_names =
    "10de  NVIDIA Corporation\n\t2330  GH100 [H100 SXM5 80GB]\n8086  Intel Corporation\n\t1572  Ethernet X710\n";

TEST(pci_probe, a_card_is_described_with_link_driver_and_virtual_functions) {
    scratch_tree tree;
    add(tree, "0000:18:00.0", 0x10de, 0x2330, 0x0302);
    const std::string folder = "sys/bus/pci/devices/0000:18:00.0/";
    tree.write(folder + "numa_node", "1\n").write(folder + "sriov_totalvfs", "16\n");
    tree.write(folder + "sriov_numvfs", "2\n").write(folder + "current_link_speed", "32.0 GT/s PCIe\n");
    tree.write(folder + "current_link_width", "16\n").write("usr/share/misc/pci.ids", k_names);
    point(tree, folder + "driver", "../../../bus/pci/drivers/nvidia");
    point(tree, folder + "iommu_group", "../../../kernel/iommu_groups/40");
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(value_of(facts, "pci.count"), json::value(1));
    EXPECT_EQ(value_of(facts, "pci"), json::parse(R"([{"address":"0000:18:00.0","class":"0302","vendor_id":"10de",
        "device_id":"2330","subsystem":"10de:16c1","name":"NVIDIA Corporation GH100 [H100 SXM5 80GB]","driver":"nvidia",
        "iommu_group":40,"numa_node":1,"sriov_total":16,"sriov_used":2,"link_gen":5,"link_width":16}])"));
}

TEST(pci_probe, what_a_device_does_not_tell_is_left_out) {
    scratch_tree tree;
    add(tree, "0000:00:03.0", 0x1af4, 0x1041, 0x0200);
    tree.write("sys/bus/pci/devices/0000:00:03.0/numa_node", "-1\n");
    tree.write("sys/bus/pci/devices/0000:00:03.0/current_link_speed", "Unknown\n");
    const auto value = value_of(facts_below(tree.path()), "pci");
    const auto& list = value.as_array();
    ASSERT_EQ(list.size(), 1u);
    const auto& one = list[0].as_object();
    for (const char* member : {"numa_node", "driver", "iommu_group", "link_gen", "link_width", "sriov_total", "name"})
        EXPECT_FALSE(one.contains(member)) << member;
    EXPECT_EQ(one.at("vendor_id"), json::value("1af4"));
}

TEST(pci_probe, a_machine_without_the_bus_has_no_devices_and_says_so) {
    scratch_tree tree;
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(status_of(facts, "pci"), "absent");
    EXPECT_EQ(status_of(facts, "pci.count"), "absent");
    tree.write("sys/bus/pci/devices/.keep", "");
    EXPECT_EQ(value_of(facts_below(tree.path()), "pci.count"), json::value(0));
}

TEST(pci_probe, malformed_devices_are_an_error_or_left_out_and_never_a_made_up_value) {
    for (const char* name : {"garbage", "0000:00:00", "0000:00:zz.0"}) {
        scratch_tree tree;
        tree.write(std::string("sys/bus/pci/devices/") + name + "/vendor", "0x8086\n");
        const auto facts = facts_below(tree.path());
        EXPECT_EQ(status_of(facts, "pci"), "error") << name;
    }
    scratch_tree tree;  // a device that vanishes: its folder is there, its files are not
    tree.write("sys/bus/pci/devices/0000:00:01.0/irq", "0\n");
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(status_of(facts, "pci"), "error");
    EXPECT_FALSE(facts.at("pci").at("detail").as_string().empty());
}

TEST(pci_probe, thousands_of_devices_are_counted_and_the_first_are_listed) {
    scratch_tree tree;
    for (unsigned i = 0; i < 600; ++i) {
        char address[32];
        std::snprintf(address, sizeof address, "0000:%02x:%02x.%u", i / 256, i / 8 % 32, i % 8);
        add(tree, address, 0x8086, 0x1572, 0x0200);
    }
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(value_of(facts, "pci.count"), json::value(600));
    const auto value = value_of(facts, "pci");
    const auto listed = value.as_array().size();
    EXPECT_GT(listed, 100u);
    EXPECT_LE(listed, k_max_listed);
    EXPECT_EQ(facts.at("pci").at("detail"), json::value("the first " + std::to_string(listed) + " of 600"));
}

/// The machine's own devices, as lspci tells them.
TEST(pci_probe, the_live_machine_has_what_lspci_lists) {
    FILE* pipe = ::popen("lspci -D -n 2>/dev/null", "r");
    ASSERT_TRUE(pipe);
    std::set<std::string> expected;
    char line[512];
    while (std::fgets(line, sizeof line, pipe)) {
        char address[64], class_id[16], ids[32];
        ASSERT_EQ(std::sscanf(line, "%63s %15[^:]: %31s", address, class_id, ids), 3) << line;
        expected.insert(std::string(address) + " " + class_id + " " + ids);
    }
    const bool works = ::pclose(pipe) == 0;
    const auto facts = facts_below("");
    if (!works && status_of(facts, "pci") != "ok") GTEST_SKIP() << "no PCI bus here, and lspci says so, too";
    std::set<std::string> found;
    const auto listed = value_of(facts, "pci");
    for (const auto& v : listed.as_array()) {
        const auto text = [&](const char* member) { return std::string(v.at(member).as_string()); };
        found.insert(text("address") + " " + text("class") + " " + text("vendor_id") + ":" + text("device_id"));
    }
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace sigrun::pci
