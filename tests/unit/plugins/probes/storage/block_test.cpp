// Block devices of made machines.
#include "block_kind.hpp"
#include "calls.hpp"

#include <sys/fsuid.h>

#include <thread>

namespace sigrun::storage {
namespace {

using machines::status_of;
using machines::value_of;
using machines::json::parse;

machines::json::value blocks_of(const machines::scratch_tree& tree) { return value_of(facts_of(tree, {}), "block"); }

TEST(storage_probe, disks_of_hardware_are_told_apart) {
    machines::scratch_tree tree;
    const std::string ata = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda";
    block(tree, ata,
          {{"size", "7814037168"},
           {"queue/rotational", "1"},
           {"device/model", "ST4000NM000A    "},
           {"device/vendor", "ATA     "},
           {"device/queue_depth", "32"},
           {"queue/nr_requests", "64"},
           {"queue/scheduler", "none [mq-deadline] kyber"},
           {"queue/logical_block_size", "512"},
           {"queue/physical_block_size", "4096"},
           {"queue/discard_max_bytes", "0"},
           {"queue/dax", "0"},
           {"queue/write_cache", "write back"}});
    tree.write("sys/class/scsi_host/host0/proc_name", "ahci\n");
    block(tree, "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block/sdb",
          {{"size", "1000"}, {"queue/rotational", "0"}, {"device/model", "Old SSD"}});
    block(tree, "pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1",
          {{"size", "3907029168"},
           {"queue/rotational", "0"},
           {"device/model", "Fast 9000"},
           {"device/transport", "pcie"},
           {"queue/scheduler", "none"},
           {"queue/discard_max_bytes", "2199023255040"},
           {"queue/nr_requests", "1023"}});
    block(tree, "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdc",
          {{"size", "60000000"}, {"queue/rotational", "1"}, {"device/model", "Stick"}});
    EXPECT_EQ(blocks_of(tree), parse(R"([
        {"name":"nvme0n1","kind":"nvme","model":"Fast 9000","transport":"nvme","size_bytes":2000398934016,"rotational":false,
         "queue_depth":1023,"scheduler":"none","discard":true},
        {"name":"sda","kind":"disk","model":"ST4000NM000A","transport":"sata","size_bytes":4000787030016,"rotational":true,
         "logical_bytes":512,"physical_bytes":4096,"queue_depth":32,"scheduler":"mq-deadline","discard":false,"dax":false,
         "write_cache":"write back"},
        {"name":"sdb","kind":"ssd","model":"Old SSD","transport":"ata","size_bytes":512000,"rotational":false},
        {"name":"sdc","kind":"usb","model":"Stick","transport":"usb","size_bytes":30720000000}])"));
}

TEST(storage_probe, the_rotational_flag_of_a_virtual_disk_is_not_believed) {
    machines::scratch_tree tree;
    const std::vector<std::pair<std::string, std::string>> files{{"size", "8"}, {"queue/rotational", "1"}};
    block(tree, "pci0000:00/0000:00:02.0/virtio1/block/vda", files);
    block(tree, "vbd-51712/block/xvda", files);
    block(tree, "virtual/block/dm-0", files);
    block(tree, "virtual/block/md127", files);
    auto made_up = files;
    made_up.push_back({"device/model", "QEMU HARDDISK"});
    block(tree, "pci0000:00/0000:00:01.1/ata1/host0/target0:0:0/0:0:0:0/block/sda", made_up);
    auto hyper_v = files;
    hyper_v.push_back({"device/vendor", "Msft"});
    block(tree, "LNXSYSTM:00/VMBUS:00/abcd/host0/target0:0:0/0:0:0:0/block/sdb", hyper_v);
    std::map<std::string, std::string> kinds;
    const auto list = blocks_of(tree);
    for (const auto& item : list.as_array()) {
        const auto& o = item.as_object();
        EXPECT_FALSE(o.contains("rotational")) << o;
        kinds.emplace(o.at("name").as_string(), o.at("kind").as_string());
    }
    EXPECT_EQ(kinds, (std::map<std::string, std::string>{{"vda", "virtual"},
                                                         {"xvda", "virtual"},
                                                         {"dm-0", "mapped"},
                                                         {"md127", "raid"},
                                                         {"sda", "virtual"},
                                                         {"sdb", "virtual"}}));
}

TEST(storage_probe, devices_that_nobody_uses_are_not_listed) {
    machines::scratch_tree tree;
    for (const char* name : {"loop0", "zram0", "nbd3", "ram0", "md0"})
        block(tree, std::string("virtual/block/") + name, {{"size", "0"}});
    block(tree, "virtual/block/loop1", {{"size", "100"}, {"queue/rotational", "1"}});
    block(tree, "pci0/nvme/nvme0/nvme0c0n1", {{"size", "100"}, {"hidden", "1"}});
    block(tree, "pci0/ata1/host0/target0/block/sr0", {{"size", "0"}});  // a drive without a medium is there
    EXPECT_EQ(blocks_of(tree), parse(R"([{"name":"loop1","kind":"loop","size_bytes":51200},
                                         {"name":"sr0","kind":"optical","transport":"ata","size_bytes":0}])"));
}

TEST(storage_probe, garbage_in_sysfs_is_left_out) {
    machines::scratch_tree tree;
    block(tree, "virtual/block/sda",
          {{"size", "99999999999999999999"}});  // not a number that fits: no device to speak of
    block(tree, "pci0/host0/block/sdb",
          {{"size", "18446744073709551615"},
           {"queue/rotational", "7"},
           {"queue/scheduler", "[none"},
           {"queue/dax", "x"},
           {"device/model", std::string(3000, 'm') + "\xff\xfe"},
           {"queue/discard_max_bytes", "-1"}});
    const auto list = blocks_of(tree);
    ASSERT_EQ(list.as_array().size(), 1u) << list;
    const auto& o = list.at(0).as_object();
    EXPECT_EQ(o.at("name"), "sdb");
    EXPECT_EQ(o.at("model").as_string().size(), 128u);
    EXPECT_EQ(o.size(), 2u) << o;
}

TEST(storage_probe, a_device_that_goes_away_during_the_look_is_dropped) {
    machines::scratch_tree tree;
    block(tree, "virtual/block/dm-1", {{"size", "8"}});
    block(tree, "virtual/block/dm-2", {{"size", "8"}});
    std::filesystem::remove_all(tree.path() + "/sys/devices/virtual/block/dm-2");  // the link leads nowhere now
    EXPECT_EQ(blocks_of(tree), parse(R"([{"name":"dm-1","kind":"mapped","size_bytes":4096}])"));
}

TEST(storage_probe, sysfs_that_may_not_be_read_is_denied) {
    machines::scratch_tree tree;
    block(tree, "virtual/block/dm-1", {{"size", "8"}});
    std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(tree.path() + "/sys/block", std::filesystem::perms::none);
    machines::fact_map facts;
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of(tree, {});
    }).join();
    EXPECT_EQ(status_of(facts, "block"), "denied");
}

TEST(block_kind, names_and_places) {
    EXPECT_EQ(block_transport("../devices/pci0000:00/0000:00:1f.2/host2/port-2:0/end_device-2:0/target2:0:0/block/sda"),
              "sas");
    EXPECT_EQ(block_transport("../devices/pci0/host1/rport-1:0-0/target1:0:0/block/sdb"), "fc");
    EXPECT_EQ(block_transport("../devices/platform/host3/session1/target3:0:0/block/sdc"), "iscsi");
    EXPECT_EQ(block_transport("../devices/platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0"), "mmc");
    EXPECT_EQ(block_transport("../devices/usbank/atab/block/sda"), "") << "only a name and a number";
    EXPECT_EQ(scsi_host("../devices/pci0/ata3/host12/target12:0:0/block/sda"), "host12");
    EXPECT_EQ(scsi_host("../devices/hostess/block/sda"), "");
}

// A list whose names change while it is read: names() by call, and how often each device was read.
TEST(scan_devices, looks_again_when_the_names_changed_and_drops_what_is_gone) {
    machines::scratch_tree tree;
    std::vector<std::vector<std::string>> looks{{"a", "b"}, {"a", "b", "c"}, {"a", "c"}, {"c"}};
    std::size_t calls = 0;
    sdk::device_scan found;
    machines::facts_below(tree.path(), [&](auto&, auto& run) {
        found = sdk::scan_devices(
            run, [&] { return looks[std::min(calls++, looks.size() - 1)]; },
            [](const std::string& name) { return std::optional(sdk::record().add("name", name)); });
    });
    EXPECT_EQ(calls, 4u) << "three looks at most";
    ASSERT_EQ(found.found.size(), 1u);
    EXPECT_EQ(found.found[0].json(), R"({"name":"c"})");
}

TEST(scan_devices, ends_at_a_thousand_devices_and_when_the_run_does) {
    const std::atomic<sigrun_op> cancelled{7};
    machines::collecting_sink sink;
    const auto names = [] {
        std::vector<std::string> out;
        for (int i = 0; i < 3000; ++i) out.push_back("d" + std::to_string(i));
        return out;
    };
    const auto read = [](const std::string&) { return std::optional(sdk::record()); };
    sdk::probe_run run("*", &sink.abi, &cancelled, 1, 0);
    const auto all = sdk::scan_devices(run, names, read);
    EXPECT_EQ(all.found.size(), 1024u);
    EXPECT_EQ(all.left_out, 3000u - 1024u);
    EXPECT_FALSE(all.stopped);
    sdk::probe_run ended("block", &sink.abi, &cancelled, 7, 0);
    EXPECT_TRUE(sdk::scan_devices(ended, names, read).stopped);
    ended.finish();
    EXPECT_EQ(status_of(sink.facts, "block"), "timeout");
}

}  // namespace
}  // namespace sigrun::storage
