// Mounts of made machines: what is listed, and who is asked for space.
#include "calls.hpp"

namespace sigrun::storage {
namespace {

using machines::status_of;
using machines::value_of;
using machines::json::parse;

constexpr const char* k_root = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n";

machines::fact_map facts_with(const std::string& mounts, spaces& who, const work_place& place = {}) {
    machines::scratch_tree tree;
    tree.write("proc/self/mountinfo", mounts);
    return facts_of(tree, who.calls(), place);
}
std::vector<std::string> mounts_of(const machines::fact_map& facts) {
    std::vector<std::string> out;
    const auto list = value_of(facts, "fs");
    if (list.is_array())
        for (const auto& item : list.as_array()) out.emplace_back(item.at("mount").as_string());
    return out;
}

TEST(storage_probe, only_local_file_systems_are_asked_for_their_space) {
    spaces who;
    const auto facts = facts_with(std::string(k_root) +
                                      "40 27 0:50 / /mnt/nfs rw - nfs4 server:/export rw\n"
                                      "41 27 0:51 / /mnt/cifs rw - cifs //server/share rw\n"
                                      "42 27 0:52 / /mnt/sshfs rw - fuse.sshfs me@server:/ rw\n"
                                      "43 27 0:53 / /mnt/auto rw - autofs systemd-1 rw\n"
                                      "44 27 0:54 / /mnt/new rw - brandnewfs x rw\n"
                                      "45 27 8:1 / /data rw,noexec - xfs /dev/sda1 rw\n",
                                  who);
    EXPECT_EQ(who.asked, (std::vector<std::string>{"/", "/data"}));
    EXPECT_EQ(value_of(facts, "fs"), parse(R"([
        {"mount":"/","type":"ext4","device":"/dev/vda","total_bytes":1000,"available_bytes":500,"inodes_free":50,
         "responsive":true,"readonly":false,"remote":false,"options":["relatime","rw"],"reflink":false},
        {"mount":"/mnt/nfs","type":"nfs4","device":"server:/export","readonly":false,"remote":true,"options":["rw"]},
        {"mount":"/mnt/cifs","type":"cifs","device":"//server/share","readonly":false,"remote":true,"options":["rw"]},
        {"mount":"/mnt/sshfs","type":"fuse.sshfs","device":"me@server:/","readonly":false,"remote":true,"options":["rw"]},
        {"mount":"/mnt/auto","type":"autofs","device":"systemd-1","readonly":false,"options":["rw"]},
        {"mount":"/mnt/new","type":"brandnewfs","device":"x","readonly":false,"options":["rw"]},
        {"mount":"/data","type":"xfs","device":"/dev/sda1","total_bytes":1000,"available_bytes":500,"inodes_free":50,
         "responsive":true,"readonly":false,"remote":false,"options":["noexec","rw"]}])"));
    EXPECT_EQ(facts.at("fs").at("detail"), "5 not asked for their space: they could block");
}

TEST(storage_probe, a_local_mount_behind_a_remote_one_is_not_asked) {
    spaces who;
    facts_with(std::string(k_root) +
                   "40 27 0:50 / /net rw - nfs server:/ rw\n"
                   "41 40 8:1 / /net/disk rw - ext4 /dev/sda1 rw\n"
                   "42 27 0:60 / /merged rw - overlay overlay rw,lowerdir=/usr,upperdir=/net/upper,workdir=/net/work\n"
                   "43 27 0:61 / /merged2 rw - overlay overlay rw,lowerdir=/net/a:/usr\n"
                   "44 27 0:62 / /merged3 rw - overlay overlay rw,lowerdir=/net/a,upperdir=/var/up,workdir=/var/work\n",
               who);
    EXPECT_EQ(who.asked, (std::vector<std::string>{"/", "/merged3"}));
}

TEST(storage_probe, what_hides_below_another_mount_is_not_there) {
    spaces who;
    const auto facts = facts_with(std::string(k_root) +
                                      "40 27 8:1 / /data rw - ext4 /dev/sda1 rw\n"
                                      "41 40 8:2 / /data/deep rw - ext4 /dev/sdb1 rw\n"
                                      "42 40 0:50 / /data rw - nfs server:/ rw\n"  // mounted on the first /data
                                      "43 27 8:3 / /other rw - ext4 /dev/sdc1 rw\n",
                                  who);
    EXPECT_EQ(mounts_of(facts), (std::vector<std::string>{"/", "/data", "/other"}));
    EXPECT_EQ(who.asked, (std::vector<std::string>{"/", "/other"}));
}

TEST(storage_probe, pseudo_file_systems_and_second_mounts_are_left_out) {
    spaces who;
    const auto facts = facts_with(
        "500 400 0:60 / / rw - overlay overlay rw,upperdir=/var/lib/x,lowerdir=/a:/b\n"
        "501 500 0:21 / /proc rw - proc proc rw\n"
        "502 500 0:22 / /sys ro - sysfs sysfs ro\n"
        "503 502 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "504 501 0:29 / /proc/acpi ro - tmpfs tmpfs ro\n"
        "505 500 0:30 / /dev rw - tmpfs tmpfs rw\n"
        "506 505 0:31 / /dev/shm rw - tmpfs shm rw\n"
        "507 500 8:1 /containers/1/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
        "508 500 8:1 /volumes/1 /data rw - ext4 /dev/sda1 rw\n"
        "509 500 8:1 /volumes/1 /again rw - ext4 /dev/sda1 rw\n"
        "510 500 0:40 / /run/lock rw - tmpfs tmpfs rw\n",
        who);
    EXPECT_EQ(mounts_of(facts), (std::vector<std::string>{"/", "/dev/shm", "/data", "/run/lock"}));
}

TEST(storage_probe, a_mount_that_goes_away_is_dropped_and_one_that_fails_has_no_size) {
    spaces who;
    who.by_path["/gone"] = {ENOENT, {}};
    who.by_path["/broken"] = {EIO, {}};
    who.by_path["/unlimited"] = {0, {0, 0, 0, 0}};
    const auto facts = facts_with(std::string(k_root) +
                                      "40 27 8:1 / /gone rw - ext4 /dev/sda1 rw\n"
                                      "41 27 8:2 / /broken ro - ext4 /dev/sdb1 rw\n"
                                      "42 27 0:9 / /unlimited rw - tmpfs t rw\n",
                                  who);
    const auto list = value_of(facts, "fs").as_array();
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list[1], parse(R"({"mount":"/broken","type":"ext4","device":"/dev/sdb1","readonly":true,"remote":false,
                                 "options":["ro"],"reflink":false})"));
    EXPECT_FALSE(list[2].as_object().contains("total_bytes")) << list[2];
}

TEST(storage_probe, a_source_with_a_password_is_shown_without_it) {
    spaces who;
    const auto facts = facts_with(std::string(k_root) +
                                      "40 27 0:50 / /dav rw - fuse.davfs https://me:p@ss@server.org/dav rw\n"
                                      "41 27 0:51 / /dav2 rw - fuse.davfs https://me:p@ss" +
                                      std::string(300, 'x') + "@server.org/dav rw\n",
                                  who);
    EXPECT_EQ(value_of(facts, "fs").at(1).at("device"), "https://server.org/dav");
    EXPECT_EQ(machines::json::serialize(facts.at("fs")).find("p@ss"), std::string::npos);
}

TEST(storage_probe, tables_that_make_no_sense_end) {
    spaces who;
    // Circles, mounts on themselves, the same id over and over, no root.
    for (const char* text : {"1 2 0:1 / / rw - ext4 a rw\n2 1 0:2 / / rw - ext4 b rw\n",
                             "1 1 0:1 / / rw - ext4 a rw\n1 1 0:1 / / rw - ext4 a rw\n1 1 0:1 /x /y rw - ext4 a rw\n",
                             "x y 0:1 / / rw - ext4 a rw\n", "9 8 0:1 / /far rw - ext4 a rw\n", "\n\n - - -\n",
                             "1 0 0:1 / relative rw - ext4 a rw\n"}) {
        const auto facts = facts_with(text, who, {"/var/work", "test"});
        EXPECT_NE(status_of(facts, "fs"), "missing") << text;
        EXPECT_NE(status_of(facts, "work.fs"), "missing") << text;
    }
}

TEST(storage_probe, thousands_of_mounts_are_cut) {
    spaces who;
    std::string text = k_root;
    for (int i = 0; i < 3000; ++i)
        text += std::to_string(100 + i) + " 27 0:" + std::to_string(100 + i) + " / /run/pods/" + std::to_string(i) +
                " rw,nosuid,nodev,relatime - tmpfs tmpfs rw\n";
    const auto facts = facts_with(text, who);
    EXPECT_LT(machines::json::serialize(value_of(facts, "fs")).size(), 64u * 1024);
    EXPECT_TRUE(std::string(facts.at("fs").at("detail").as_string()).starts_with("cut: ")) << facts.at("fs");
    EXPECT_LE(who.asked.size(), 1024u);
}

TEST(mount_table, follows_a_path_over_its_mounts) {
    sdk::file_text file;
    file.status = sdk::read_status::ok;
    file.text = std::string(k_root) + "40 27 8:1 / /srv rw - xfs a rw\n41 40 8:2 / /srv/data rw - ext4 b rw\n";
    const mount_table table(file);
    auto ids = [&](std::string_view path) {
        std::vector<std::uint64_t> out;
        for (const auto* m : table.way_to(path)) out.push_back(m->id);
        return out;
    };
    EXPECT_EQ(ids("/"), (std::vector<std::uint64_t>{27}));
    EXPECT_EQ(ids("/srv"), (std::vector<std::uint64_t>{27, 40}));
    EXPECT_EQ(ids("/srvx"), (std::vector<std::uint64_t>{27}));
    EXPECT_EQ(ids("/srv/data/x/y"), (std::vector<std::uint64_t>{27, 40, 41}));
    EXPECT_EQ(ids("/srv/datax"), (std::vector<std::uint64_t>{27, 40}));
    EXPECT_EQ(ids(""), (std::vector<std::uint64_t>{}));
    EXPECT_EQ(kind_of("fuse.anything"), mount_kind::remote);
    EXPECT_EQ(kind_of("fuse.lxcfs"), mount_kind::hidden);
    EXPECT_EQ(kind_of("nosuchfs"), mount_kind::unknown);
}

}  // namespace
}  // namespace sigrun::storage
