// Who may change a plugin folder, and the versions that are kept.
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/folder_check.hpp"
#include "kernel/guard/last_good.hpp"
#include "scratch.hpp"

#include <unistd.h>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
using testing::scratch;

struct folders : ::testing::Test {
    scratch dir;
    std::string plugins = dir.at("lib/plugins");

    folders() { fs::create_directories(plugins); }
    void mode(const std::string& path, mode_t m) { ASSERT_EQ(::chmod(path.c_str(), m), 0); }
    void refused(const std::string& path, const std::string& why) {
        auto opened = checked_folder::open(path);
        ASSERT_FALSE(opened) << path;
        EXPECT_NE(opened.error().text().find(why), std::string::npos) << opened.error().text();
    }
};

TEST_F(folders, one_that_only_its_owner_writes_to_is_fine_below_a_sticky_one) {
    auto opened = checked_folder::open(plugins);
    ASSERT_TRUE(opened) << opened.error().text();
    dir.write("lib/plugins/kind/a.so", "x");
    EXPECT_TRUE(opened->open_file("kind/a.so"));
    EXPECT_EQ(opened->open_file("kind/b.so").error().code, errc::not_found);
}

TEST_F(folders, one_that_everybody_writes_to_is_refused_wherever_it_is_on_the_path) {
    mode(plugins, 0777);
    refused(plugins, plugins + ": expected not writable by everybody");
    mode(plugins, 01777);
    EXPECT_TRUE(checked_folder::open(plugins));
    mode(plugins, 0755);
    mode(dir.at("lib"), 0777);
    refused(plugins, dir.at("lib") + ": expected not writable by everybody");
}

TEST_F(folders, a_group_is_warned_of) {
    mode(plugins, 0775);
    auto opened = checked_folder::open(plugins);
    ASSERT_TRUE(opened);
    ASSERT_EQ(opened->warnings().size(), 1u);
    EXPECT_NE(opened->warnings()[0].find("group"), std::string::npos);
}

TEST_F(folders, where_its_owner_alone_may_write_no_group_and_no_sticky_bit_will_do) {
    const auto alone = [&] { return checked_folder::open(plugins, checked_folder::writers::owner_alone); };
    EXPECT_TRUE(alone());
    for (mode_t m : {0775, 01777}) {
        mode(plugins, m);
        auto opened = alone();
        ASSERT_FALSE(opened);
        EXPECT_NE(opened.error().text().find("expected writable by its owner alone"), std::string::npos)
            << opened.error().text();
    }
}

TEST_F(folders, a_stranger_who_owns_it_is_refused) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
    ASSERT_EQ(::chown(dir.at("lib").c_str(), 12345, 0), 0);
    refused(plugins, "found user 12345");
}

TEST_F(folders, symbolic_links_on_the_way_are_followed_and_judged) {
    fs::create_directory_symlink("lib", dir.at("link"));
    fs::create_directory_symlink(dir.at("link/plugins"), dir.at("absolute"));
    EXPECT_TRUE(checked_folder::open(dir.at("link/plugins")));
    EXPECT_TRUE(checked_folder::open(dir.at("absolute")));
    mode(dir.at("lib"), 0777);
    refused(dir.at("absolute"), dir.at("lib"));
    fs::create_directory_symlink("loop", dir.at("loop"));
    refused(dir.at("loop"), "40 symbolic links");
    refused(dir.at("nothing"), "No such file");
}

TEST_F(folders, links_that_lead_out_of_it_are_refused_and_files_are_no_links) {
    dir.write("outside/a.so", "x");
    dir.write("lib/plugins/real/a.so", "x");
    fs::create_directory_symlink(dir.at("outside"), plugins + "/kind");
    fs::create_directory_symlink("../../outside", plugins + "/other");
    fs::create_symlink("real/a.so", plugins + "/b.so");
    fs::create_directory_symlink("real", plugins + "/inside");
    auto opened = checked_folder::open(plugins);
    ASSERT_TRUE(opened);
    for (const char* file : {"kind/a.so", "other/a.so", "../../outside/a.so"})
        EXPECT_NE(opened->open_file(file).error().text().find("leads out of it"), std::string::npos) << file;
    EXPECT_NE(opened->open_file("b.so").error().text().find("a symbolic link"), std::string::npos);
    EXPECT_TRUE(opened->open_file("inside/a.so"));
}

TEST_F(folders, the_folder_of_a_kind_counts_as_well) {
    dir.write("lib/plugins/kind/a.so", "x");
    mode(plugins + "/kind", 0777);
    EXPECT_NE(checked_folder::open(plugins)->open_file("kind/a.so").error().text().find("writable by everybody"),
              std::string::npos);
}

struct good_versions : ::testing::Test {
    scratch dir;
    static good_version about(const std::string& bytes, const std::string& version, const std::string& id = "test.x") {
        return {id, version, sha256_hex(bytes), "x", 1, "sig of " + version};
    }
    std::vector<std::string> kept(const last_good& good, const std::string& name = "test.x") {
        std::vector<std::string> out;
        for (const auto& each : good.versions(name)) out.push_back(each.version);
        return out;
    }
    using list = std::vector<std::string>;
};

TEST_F(good_versions, the_newest_and_the_one_before_are_kept) {
    auto good = last_good::open(dir.path()).value();
    EXPECT_TRUE(kept(good).empty());
    EXPECT_TRUE(good.keep(about("one", "1"), "one"));
    EXPECT_TRUE(good.keep(about("one", "1"), "one"));
    EXPECT_EQ(kept(good), (list{"1"}));
    EXPECT_TRUE(good.keep(about("two", "2"), "two"));
    EXPECT_TRUE(good.keep(about("three", "3"), "three"));
    EXPECT_EQ(kept(good), (list{"3", "2"}));
    EXPECT_EQ(kept(good, "x"), (list{"3", "2"})) << "also by the name of the file";
    EXPECT_EQ(good.bytes(good.versions("test.x")[1]).value(), "two");
    EXPECT_EQ(good.versions("test.x")[1].signature, "sig of 2");
    good.drop("test.x", sha256_hex("three"));
    EXPECT_EQ(kept(last_good::open(dir.path()).value()), (list{"2"}));
}

TEST_F(good_versions, bytes_that_changed_on_disk_are_not_used) {
    auto good = last_good::open(dir.path()).value();
    EXPECT_TRUE(good.keep(about("one", "1"), "one"));
    fs::permissions(dir.at("good/test.x.so"), fs::perms::owner_all);
    dir.write("good/test.x.so", "evil");
    EXPECT_FALSE(good.bytes(good.versions("test.x")[0]));
    EXPECT_TRUE(good.keep(about("one", "1"), "one")) << "and are written again";
    EXPECT_EQ(good.bytes(good.versions("test.x")[0]).value(), "one");
    EXPECT_FALSE(good.keep(about("one", "1"), "two"));
}

TEST_F(good_versions, plugins_do_not_share_names_and_limits_hold) {
    auto good = last_good::open(dir.path(), {10, 900}).value();
    EXPECT_TRUE(good.keep(about("a", "1", "test.x"), "a"));
    EXPECT_TRUE(good.keep(about("b", "2", "test.x.1"), "b"));
    EXPECT_EQ(kept(good, "test.x.1"), (list{"2"}));
    EXPECT_EQ(good.keep(about(std::string(11, 'c'), "3"), std::string(11, 'c')).error().code, errc::too_large);
    result<void> full;
    for (int i = 0; i < 20 && full; ++i) full = good.keep(about("d", "1", "test.y" + std::to_string(i)), "d");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, errc::too_large);
}

}  // namespace
}  // namespace sigrun
