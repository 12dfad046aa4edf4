// The probe against other programs that look at the same machine.
#include "calls.hpp"
#include "fixtures/machines/other_tools.hpp"

namespace sigrun::storage {
namespace {

using machines::json_of;
using machines::record_of;
using machines::value_of;

machines::fact_map live_facts(const std::string& work) {
    return machines::facts_below("", [&](auto& root, auto& run) { collect(root, live_calls(), {work, "test"}, run); });
}

TEST(mission_D7, block_devices_are_those_of_lsblk) {
    const auto facts = live_facts("/tmp");
    const auto listed =
        json_of("lsblk -b -J -d -o NAME,SIZE,LOG-SEC,PHY-SEC,DISC-MAX,DAX,MODEL,SCHED").at("blockdevices");
    const auto found = value_of(facts, "block");
    if (listed.as_array().empty()) GTEST_SKIP() << "no block devices on this machine";
    std::size_t same = 0;
    for (const auto& item : listed.as_array()) {
        const auto& theirs = item.as_object();
        if (theirs.at("size").to_number<std::uint64_t>() == 0) continue;  // one that software makes is not listed then
        const auto& ours = record_of(found, "name", theirs.at("name").as_string());
        const auto number = [&](const char* name) { return theirs.at(name).to_number<std::uint64_t>(); };
        EXPECT_EQ(ours.at("size_bytes").to_number<std::uint64_t>(), number("size")) << ours;
        EXPECT_EQ(ours.at("logical_bytes").to_number<std::uint64_t>(), number("log-sec")) << ours;
        EXPECT_EQ(ours.at("physical_bytes").to_number<std::uint64_t>(), number("phy-sec")) << ours;
        EXPECT_EQ(ours.at("discard").as_bool(), number("disc-max") > 0) << ours;
        if (ours.contains("dax")) {
            EXPECT_EQ(ours.at("dax"), theirs.at("dax")) << ours;
        }
        if (theirs.at("sched").is_string()) {
            EXPECT_EQ(ours.at("scheduler"), theirs.at("sched")) << ours;
        }
        ++same;
    }
    for (const auto& item : found.as_array())
        if (item.at("size_bytes").to_number<std::uint64_t>() > 0) {
            EXPECT_NO_THROW(record_of(listed, "name", item.at("name").as_string())) << item;
        }
    EXPECT_GE(same, 1u);
}

TEST(mission_D7, file_systems_are_those_of_findmnt) {
    const auto listed = json_of("findmnt -J -b --list --real -o TARGET,FSTYPE,SOURCE,SIZE,OPTIONS").at("filesystems");
    const auto found = value_of(live_facts("/tmp"), "fs");
    std::set<std::string> seen;
    std::size_t same = 0;
    for (const auto& item : found.as_array()) {
        const auto& ours = item.as_object();
        const auto mount = ours.at("mount").as_string();
        seen.emplace(mount);
        const machines::json::object* theirs = nullptr;  // the last of a place is on top
        for (const auto& other : listed.as_array())
            if (other.at("target") == mount) theirs = &other.as_object();
        if (!theirs) continue;  // findmnt --real knows tmpfs as a pseudo file system
        EXPECT_EQ(ours.at("type"), theirs->at("fstype")) << ours;
        if (ours.contains("total_bytes")) {
            EXPECT_EQ(ours.at("total_bytes").to_number<std::uint64_t>(), theirs->at("size").to_number<std::uint64_t>())
                << ours;
        }
        const std::string options = "," + std::string(theirs->at("options").as_string()) + ",";
        EXPECT_EQ(ours.at("readonly").as_bool(), options.find(",ro,") != options.npos) << ours;
        ++same;
    }
    EXPECT_GE(same, 1u);
    EXPECT_TRUE(seen.contains("/"));
}

TEST(mission_D7, the_work_folder_is_where_findmnt_finds_it) {
    machines::scratch_tree folder;
    const auto facts = live_facts(folder.path() + "/to/be/made");
    const auto theirs =
        json_of("findmnt -J -b -T " + folder.path() + " -o FSTYPE,AVAIL,OPTIONS").at("filesystems").at(0);
    EXPECT_EQ(value_of(facts, "work.fs"), theirs.at("fstype"));
    const std::string options = "," + std::string(theirs.at("options").as_string()) + ",";
    EXPECT_EQ(value_of(facts, "work.exec").as_bool(), options.find(",noexec,") == options.npos);
    // Others write to the disk meanwhile.
    const auto ours = value_of(facts, "work.available_bytes").to_number<double>();
    EXPECT_NEAR(ours, theirs.at("avail").to_number<double>(), 0.05 * ours + (1 << 30));
}

}  // namespace
}  // namespace sigrun::storage
