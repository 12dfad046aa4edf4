#include "gpu_probe.hpp"

#include "fixtures/machines/rig.hpp"

namespace sigrun::gpu {
namespace {

using machines::scratch_tree;
using machines::status_of;
using machines::value_of;
namespace json = machines::json;

const std::string k_stand_in = SIGRUN_BUILD_DIR "/tests/fixtures/nvml/fake_nvml.so";

/// Faults of the stand-in for NVML, for the time of one test.
struct with_fault {
    explicit with_fault(const char* what) { ::setenv("FAKE_NVML", what, 1); }
    ~with_fault() { ::unsetenv("FAKE_NVML"); }
};

machines::fact_map facts_below(const std::string& root, const std::string& nvml = {}) {
    return machines::facts_below(root, [&](auto& files, auto& run) { collect(files, nvml, run.facts()); });
}

void add(scratch_tree& tree, const std::string& address, const char* vendor, const char* class_id) {
    const auto folder = "sys/bus/pci/devices/" + address + "/";
    tree.write(folder + "vendor", vendor).write(folder + "class", class_id).write(folder + "numa_node", "1\n");
    tree.write(folder + "max_link_speed", "32.0 GT/s PCIe\n").write(folder + "max_link_width", "16\n");
}
void add_two_nvidia(scratch_tree& tree) {
    add(tree, "0000:18:00.0", "0x10de\n", "0x030200\n");
    add(tree, "0000:3b:00.0", "0x10de\n", "0x030200\n");
}

TEST(gpu_probe, mission_D8_cards_of_nvidia_are_described_by_their_library) {
    scratch_tree tree;
    add_two_nvidia(tree);
    const auto facts = facts_below(tree.path(), k_stand_in);
    EXPECT_EQ(value_of(facts, "gpu.count"), json::value(2));
    EXPECT_EQ(value_of(facts, "gpu.vendors"), json::parse(R"(["nvidia"])"));
    EXPECT_EQ(value_of(facts, "gpu"), json::parse(R"([
        {"vendor":"nvidia","pci":"0000:18:00.0","model":"NVIDIA H100 80GB HBM3","uuid":"GPU-11","memory_bytes":85520809984,
         "driver_version":"535.161.08","api":"cuda","api_version":"12.2","compute_capability":"9.0","arch":"hopper",
         "clock_hz":1980000000,"pcie_gen":5,"pcie_width":16,"numa_node":1,"mig_mode":"disabled","ecc":true,
         "persistence":false,"usable":true,"health":"ok"},
        {"vendor":"nvidia","pci":"0000:3b:00.0","model":"NVIDIA H100 80GB HBM3","uuid":"GPU-22","memory_bytes":85520809984,
         "driver_version":"535.161.08","api":"cuda","api_version":"12.2","compute_capability":"9.0","arch":"hopper",
         "clock_hz":1980000000,"pcie_gen":5,"pcie_width":16,"numa_node":1,"mig_mode":"enabled",
         "mig":[{"uuid":"MIG-5c1a","memory_bytes":10468982784},{"uuid":"MIG-5c1a","memory_bytes":10468982784}],
         "ecc":true,"persistence":false,"usable":true,"health":"ok"}])"));
}

TEST(gpu_probe, mission_D8_why_a_card_cannot_be_used_is_told_apart) {
    const std::pair<const char*, const char*> cases[] = {{"init=9", "driver not loaded"},
                                                         {"init=4", "denied"},
                                                         {"init=18", "driver and library differ"},
                                                         {"init=999", "NVML error 999"}};
    for (const auto& [what, health] : cases) {
        const with_fault fault(what);
        scratch_tree tree;
        add_two_nvidia(tree);
        const auto value = value_of(facts_below(tree.path(), k_stand_in), "gpu");
        ASSERT_EQ(value.as_array().size(), 2u);
        for (const auto& one : value.as_array()) {
            EXPECT_EQ(one.at("usable"), json::value(false));
            EXPECT_EQ(one.at("health"), json::value(health));
            EXPECT_FALSE(one.as_object().contains("memory_bytes"));
        }
    }
    scratch_tree tree;
    add_two_nvidia(tree);
    const auto value = value_of(facts_below(tree.path(), "/nowhere/libnvidia-ml.so.1"), "gpu");
    EXPECT_EQ(value.at(0).at("health"), json::value("no NVML library"));
}

TEST(gpu_probe, a_card_that_is_lost_and_one_nvml_does_not_know_cost_only_themselves) {
    const with_fault fault("lost");
    scratch_tree tree;
    add_two_nvidia(tree);
    add(tree, "0000:5e:00.0", "0x10de\n", "0x030200\n");
    const auto value = value_of(facts_below(tree.path(), k_stand_in), "gpu");
    EXPECT_EQ(value.at(0).at("health"), json::value("ok"));
    EXPECT_EQ(value.at(1).at("health"), json::value("lost"));
    EXPECT_EQ(value.at(2).at("health"), json::value("not known to NVML"));
}

TEST(gpu_probe, an_old_library_leaves_out_what_it_does_not_know) {
    const with_fault fault("old");
    scratch_tree tree;
    add_two_nvidia(tree);
    const auto value = value_of(facts_below(tree.path(), k_stand_in), "gpu");
    EXPECT_FALSE(value.at(0).as_object().contains("arch"));
    EXPECT_FALSE(value.at(0).as_object().contains("mig_mode"));
    EXPECT_EQ(value.at(0).at("usable"), json::value(true));
}

TEST(gpu_probe, a_sleeping_card_is_not_woken) {
    const with_fault fault("init=1");  // asking would show
    scratch_tree tree;
    add(tree, "0000:01:00.0", "0x10de\n", "0x030000\n");
    tree.write("sys/bus/pci/devices/0000:01:00.0/power/runtime_status", "suspended\n");
    const auto facts = facts_below(tree.path(), k_stand_in);
    const auto value = value_of(facts, "gpu");
    EXPECT_FALSE(value.at(0).as_object().contains("health"));
    EXPECT_EQ(facts.at("gpu").at("detail"), json::value("0000:01:00.0 sleeps and was not woken"));
}

TEST(gpu_probe, amd_and_intel_tell_in_sysfs) {
    scratch_tree tree;
    add(tree, "0000:03:00.0", "0x1002\n", "0x038000\n");
    tree.write("sys/bus/pci/devices/0000:03:00.0/mem_info_vram_total", "68702699520\n");
    tree.write("sys/bus/pci/devices/0000:03:00.0/mem_info_gtt_total", "33554432000\n");
    tree.write("sys/bus/pci/devices/0000:03:00.0/unique_id", "a1b2c3\n");
    tree.write("sys/bus/pci/devices/0000:03:00.0/product_name", "Instinct MI210\n");
    add(tree, "0000:00:02.0", "0x8086\n", "0x030000\n");
    tree.write("sys/bus/pci/devices/0000:00:02.0/drm/card0/gt_max_freq_mhz", "1450\n");
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(value_of(facts, "gpu.vendors"), json::parse(R"(["amd","intel"])"));
    const auto value = value_of(facts, "gpu");
    EXPECT_EQ(value.at(0).at("clock_hz"), json::value(1'450'000'000));
    EXPECT_EQ(value.at(1).at("memory_bytes"), json::value(68'702'699'520));
    EXPECT_EQ(value.at(1).at("memory_shared_bytes"), json::value(33'554'432'000));
    EXPECT_EQ(value.at(1).at("model"), json::value("Instinct MI210"));
    EXPECT_EQ(value.at(1).at("uuid"), json::value("a1b2c3"));
    EXPECT_FALSE(value.at(1).as_object().contains("usable"));
}

TEST(gpu_probe, screens_of_virtual_machines_and_of_management_controllers_are_no_cards) {
    scratch_tree tree;
    for (const auto& [address, vendor] : {std::pair{"0000:00:01.0", "0x1234\n"}, std::pair{"0000:00:02.0", "0x1af4\n"},
                                          std::pair{"0000:00:03.0", "0x1a03\n"}, std::pair{"0000:00:04.0", "0x15ad\n"}})
        add(tree, address, vendor, "0x030000\n");
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(value_of(facts, "gpu.count"), json::value(0));
    EXPECT_EQ(value_of(facts, "gpu"), json::parse("[]"));
}

TEST(gpu_probe, malformed_devices_are_no_cards_and_no_bus_is_absent) {
    scratch_tree tree;
    EXPECT_EQ(status_of(facts_below(tree.path(), k_stand_in), "gpu.count"), "absent");
    add(tree, "0000:00:01.0", "0x10de0000000\n", "0x030000\n");
    add(tree, "0000:00:02.0", "NVIDIA\n", "0x030000\n");
    add(tree, "0000:00:03.0", "0x10de\n", "VGA\n");
    add(tree, "0000:00:04.0", "", "");
    EXPECT_EQ(value_of(facts_below(tree.path(), k_stand_in), "gpu.count"), json::value(0));
}

}  // namespace
}  // namespace sigrun::gpu
