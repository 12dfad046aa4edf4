// The probe against other programs that look at the same machine.
#include "calls.hpp"
#include "fixtures/machines/other_tools.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

namespace sigrun::storage {
namespace {

using machines::json_of;
using machines::record_of;
using machines::value_of;

machines::fact_map live_facts(const std::string& work) {
    return machines::facts_below("", [&](auto& root, auto& run) { collect(root, live_calls(), {work, "test"}, run); });
}

TEST(storage_probe, block_devices_are_those_of_lsblk) {
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

TEST(storage_probe, file_systems_are_those_of_findmnt) {
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

TEST(storage_probe, the_work_folder_is_where_findmnt_finds_it) {
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

/// Mounts a FUSE file system at `folder` that nobody serves, in a mount name space of this process: every question to it
/// waits for ever. False: not possible here.
bool mount_a_dead_one(const std::string& folder) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);  // open as long as this process lives, and never read
    if (fd < 0) return false;
    const auto options = "fd=" + std::to_string(fd) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
    return ::mount("dead", folder.c_str(), "fuse.dead", 0, options.c_str()) == 0;
}

TEST(storage_probe, a_mount_that_never_answers_blocks_nothing) {
    machines::scratch_tree folder;
    folder.write("dead/x", "");
    enum : int { as_promised, not_possible, not_listed, wrong_work };
    const pid_t child = ::fork();
    if (child == 0) {
        if (!mount_a_dead_one(folder.path() + "/dead")) ::_exit(not_possible);
        const auto facts = live_facts(folder.path() + "/dead/jobs");
        const auto list = value_of(facts, "fs");
        bool listed = false;
        for (const auto& item : list.as_array())
            listed = listed ||
                     (item.at("mount") == machines::json::value(folder.path() + "/dead") &&
                      item.at("remote") == machines::json::value(true) && !item.as_object().contains("responsive"));
        if (!listed) ::_exit(not_listed);
        const bool right =
            machines::status_of(facts, "work.available_bytes") == "error" && value_of(facts, "work.fs") == "fuse.dead";
        ::_exit(right ? as_promised : wrong_work);
    }
    int status = -1;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    pid_t ended = 0;
    while ((ended = ::waitpid(child, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < end)
        ::usleep(10'000);
    if (ended == 0) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        FAIL() << "the probe waits for a file system that never answers";
    }
    ASSERT_TRUE(WIFEXITED(status)) << status;
    if (WEXITSTATUS(status) == not_possible) GTEST_SKIP() << "no FUSE mount may be made here";
    EXPECT_EQ(WEXITSTATUS(status), as_promised);
}

}  // namespace
}  // namespace sigrun::storage
