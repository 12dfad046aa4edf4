// Recorded machines in, facts out.
#include "usb_probe.hpp"

#include "fixtures/machines/rig.hpp"

#include <sys/fsuid.h>

#include <thread>

namespace sigrun::usb {
namespace {

using machines::scratch_tree;
using machines::status_of;
using machines::value_of;
using json = machines::json::value;

machines::fact_map facts_below(const std::string& root, const std::function<void()>& between = {}) {
    return machines::facts_below(root, [&](auto& files, auto& run) { collect(files, run.facts(), between); });
}

class usb_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(usb_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "usb", facts_below(machines::folder(GetParam())));
}
INSTANTIATE_TEST_SUITE_P(machines, usb_probe_golden, testing::Values("bare_v2", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

const std::string k_folder = "sys/bus/usb/devices/";
scratch_tree& plug(scratch_tree& tree, const std::string& name, const std::string& product = "Stick") {
    return tree.write(k_folder + name + "/idVendor", "0781\n")
        .write(k_folder + name + "/idProduct", "5583\n")
        .write(k_folder + name + "/bDeviceClass", "08\n")
        .write(k_folder + name + "/product", product + "\n");
}

TEST(usb_probe, an_empty_tree_gives_no_value_at_all) {
    for (const auto& [key, f] : facts_below(scratch_tree().path())) EXPECT_EQ(f.at("status"), "absent") << key;
}

TEST(usb_probe, a_bus_without_devices_has_none) {
    scratch_tree tree;
    std::filesystem::create_directories(tree.path() + "/" + k_folder);
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(value_of(facts, "usb.count"), json(0));
    EXPECT_EQ(value_of(facts, "usb"), json(machines::json::array()));
}

TEST(usb_probe, a_folder_that_may_not_be_opened_is_denied) {
    scratch_tree tree;
    plug(tree, "1-1");
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/sys/bus/usb", std::filesystem::perms::none);
    machines::fact_map facts;
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_below(tree.path());
    }).join();
    std::filesystem::permissions(tree.path() + "/sys/bus/usb", std::filesystem::perms(0755));
    EXPECT_EQ(status_of(facts, "usb"), "denied");
    EXPECT_EQ(status_of(facts, "usb.count"), "denied");
}

TEST(usb_probe, a_device_of_several_functions_has_the_class_of_its_first) {
    scratch_tree tree;
    plug(tree, "1-1").write(k_folder + "1-1/bDeviceClass", "ef\n");
    EXPECT_EQ(value_of(facts_below(tree.path()), "usb").at(0).at("class"), json("miscellaneous"));
    tree.write(k_folder + "1-1:1.0/bInterfaceClass", "0e\n").write(k_folder + "1-1:1.1/bInterfaceClass", "01\n");
    tree.write(k_folder + "1-10:1.0/bInterfaceClass", "03\n");  // somebody else's
    EXPECT_EQ(value_of(facts_below(tree.path()), "usb").at(0).at("class"), json("video"));
    tree.write(k_folder + "1-1/bDeviceClass", "55\n");
    EXPECT_EQ(value_of(facts_below(tree.path()), "usb").at(0).at("class"), json("55"));
}

TEST(usb_probe, a_device_that_comes_during_the_scan_is_seen) {
    scratch_tree tree;
    plug(tree, "1-1");
    int scans = 0;
    const auto facts = facts_below(tree.path(), [&] {
        if (++scans == 1) plug(tree, "1-2", "Late");
    });
    EXPECT_EQ(scans, 2);
    EXPECT_EQ(value_of(facts, "usb.count"), json(2));
    EXPECT_EQ(value_of(facts, "usb").at(1).at("name"), json("Late"));
}

TEST(usb_probe, a_device_that_goes_during_the_scan_is_left_out) {
    scratch_tree tree;
    plug(tree, "1-1");
    plug(tree, "1-2");
    const auto facts =
        facts_below(tree.path(), [&] { std::filesystem::remove_all(tree.path() + "/" + k_folder + "1-1"); });
    EXPECT_EQ(value_of(facts, "usb.count"), json(1));
}

TEST(usb_probe, a_bus_that_never_rests_is_read_three_times_and_no_more) {
    scratch_tree tree;
    plug(tree, "1-1");
    int scans = 0;
    const auto facts = facts_below(tree.path(), [&] { plug(tree, "2-" + std::to_string(++scans)); });
    EXPECT_EQ(scans, 3);
    EXPECT_EQ(value_of(facts, "usb.count"), json(3)) << "what the last scan saw";
}

TEST(usb_probe, names_and_numbers_are_bounded) {
    scratch_tree tree;
    plug(tree, "1-1", std::string(3000, 'x'));
    EXPECT_EQ(value_of(facts_below(tree.path()), "usb").at(0).at("name").as_string().size(), 128u);
    plug(tree, "1-1", std::string("\xff\xfe\x01", 3));
    EXPECT_EQ(status_of(facts_below(tree.path()), "usb"), "ok");
    for (int i = 2; i < 260; ++i) plug(tree, "1-" + std::to_string(i));
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(status_of(facts, "usb"), "error");
    EXPECT_EQ(status_of(facts, "usb.count"), "error");
}

TEST(usb_probe, this_machine_has_the_devices_that_lsusb_lists) {
    const auto facts = facts_below("");
    int status = 0;
    machines::output_of("test -d /sys/bus/usb/devices", &status);
    EXPECT_EQ(status_of(facts, "usb.count"), status == 0 ? "ok" : "absent");
    const auto listed = machines::output_of("lsusb 2>/dev/null", &status);
    if (status != 0) return;  // not installed, or without a bus
    std::multiset<std::string> expected, found;
    std::string_view rest = listed, line;
    for (auto at = rest.find('\n'); at != rest.npos; rest.remove_prefix(at + 1), at = rest.find('\n')) {
        line = rest.substr(0, at);
        const auto id = line.find(" ID ");
        if (id != line.npos) expected.emplace(line.substr(id + 4, 9));
    }
    const auto devices = value_of(facts, "usb");
    for (const auto& device : devices.as_array())
        found.insert(std::string(device.at("vendor_id").as_string()) + ":" +
                     std::string(device.at("device_id").as_string()));
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace sigrun::usb
