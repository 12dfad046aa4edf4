// Files of a plugin folder that change under a running host.
#include "running_host.hpp"

namespace sigrun {
namespace {

using namespace testing;
using kind = plugin_event::kind;
using namespace std::chrono_literals;

struct watched : ::testing::Test {
    running_host r{{.with_trial = false}};
    void SetUp() override { ASSERT_TRUE(r.host->watch()); }
    /// True once this version runs.
    bool runs(std::uint32_t number) {
        return r.wait_until([&] { return r.number() == number; });
    }
    fs::path file() const { return r.folder.plugins() / "plain.so"; }
};

TEST_F(watched, a_rename_over_the_file_is_taken) {
    fs::copy_file(fixture_plugin("plain_v2"), r.folder.plugins() / ".new");
    fs::rename(r.folder.plugins() / ".new", file());
    EXPECT_TRUE(runs(2));
    EXPECT_TRUE(r.wait_until_old_is_gone());
}

TEST_F(watched, a_copy_over_the_file_is_taken_and_what_runs_is_a_private_copy) {
    auto held = r.host->find(SIGRUN_KIND_PROBE, "plain");
    r.folder.add("plain_v2", "plain");
    EXPECT_TRUE(runs(2));
    EXPECT_EQ(number_of(*held), 1u) << "the old code is whole";
}

TEST_F(watched, a_truncated_file_is_refused_once_and_the_whole_one_taken_later) {
    const auto whole = content_of(fixture_plugin("plain_v2"));
    r.folder.write("plain.so", std::string_view(whole).substr(0, whole.size() / 2));
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::rejected) == 1; }));
    EXPECT_EQ(r.number(), 1u);
    EXPECT_NE(r.info().reason.find("not replaced: "), std::string::npos);
    fs::last_write_time(file(), fs::file_time_type::clock::now() + 5s);  // touched, but the same
    fs::copy_file(fixture_plugin("other"), r.folder.plugins() / "other.so");
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::loaded) == 1; }));
    EXPECT_EQ(r.told(kind::rejected), 1u);
    r.folder.write("plain.so", whole);
    EXPECT_TRUE(runs(2));
}

TEST_F(watched, a_symbolic_link_is_refused_once) {
    const auto elsewhere = r.folder.state() / "real.so";
    fs::copy_file(fixture_plugin("plain_v2"), elsewhere);
    fs::create_symlink(elsewhere, r.folder.plugins() / ".link");
    fs::rename(r.folder.plugins() / ".link", file());
    EXPECT_TRUE(r.wait_until([&] { return r.info().reason.find("a symbolic link") != std::string::npos; }));
    EXPECT_EQ(r.number(), 1u);
    fs::create_symlink(elsewhere.string() + ".other", r.folder.plugins() / ".link");
    fs::rename(r.folder.plugins() / ".link", file());
    fs::copy_file(fixture_plugin("other"), r.folder.plugins() / "other.so");
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::loaded) == 1; }));
    EXPECT_EQ(r.told(kind::rejected), 1u);
    fs::remove(file());
    r.folder.add("plain_v2", "plain");
    EXPECT_TRUE(runs(2));
}

TEST_F(watched, names_that_are_not_meant_are_left_alone) {
    for (const char* name : {".plain.so", "plain.so~", "plain.so.part", "plain.so.dpkg-new", "README"})
        fs::copy_file(fixture_plugin("other"), r.folder.plugins() / name);
    fs::copy_file(fixture_plugin("twin"), r.folder.plugins() / "twin.so");
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::loaded) == 1; }));
    EXPECT_EQ(r.host->plugins().size(), 2u);
}

TEST_F(watched, a_file_that_goes_takes_nothing_away_and_may_come_back) {
    fs::remove(file());
    EXPECT_TRUE(r.wait_until([&] { return r.info().file_gone; }));
    EXPECT_EQ(r.number(), 1u);
    EXPECT_EQ(r.told(kind::gone), 1u);
    r.folder.add("plain");
    EXPECT_TRUE(r.wait_until([&] { return !r.info().file_gone; }));
    EXPECT_EQ(r.info().reason, "");
    EXPECT_EQ(r.swaps, 0);
}

TEST_F(watched, a_removed_plugin_comes_back_with_its_file_however_soon) {
    const auto aside = r.remove().value();
    EXPECT_EQ(r.number(), 0u);
    fs::rename(aside, file());
    EXPECT_TRUE(runs(1));
}

TEST_F(watched, the_folder_may_go_and_come_back_with_another_version) {
    fs::remove_all(r.folder.plugins());
    EXPECT_TRUE(r.wait_until([&] { return r.info().file_gone; }));
    fs::create_directory(r.folder.plugins());
    r.folder.add("plain_v2", "plain");
    EXPECT_TRUE(runs(2));
    r.folder.add("plain", "plain");
    EXPECT_TRUE(runs(1)) << "and it is followed again";
}

TEST_F(watched, a_folder_of_a_kind_is_followed_from_its_making_on) {
    r.folder.add("other", "probes/other");
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::loaded) == 1; }));
    r.folder.add("load_fails", "probes/later");
    EXPECT_TRUE(r.wait_until(
        [&] { return r.info("later").state == plugin_state::rejected && !r.info("later").reason.empty(); }));
    fs::rename(r.folder.plugins() / "probes", r.folder.state() / "probes");
    EXPECT_TRUE(r.wait_until([&] { return r.info("other").file_gone; }));
    EXPECT_TRUE(r.wait_until([&] { return r.info("later").file.empty(); }))
        << "a refused file is shown while it is there";
}

TEST_F(watched, two_hundred_files_at_once) {
    for (int i = 0; i < 200;
         ++i) {  // each in one step: a busy machine lets half a file rest long enough to be looked at
        const auto name = "n" + std::to_string(i) + ".so";
        r.folder.write("." + name, "no library " + std::to_string(i));
        fs::rename(r.folder.plugins() / ("." + name), r.folder.plugins() / name);
    }
    fs::copy_file(fixture_plugin("other"), r.folder.plugins() / "zz.so");
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::loaded) == 1 && r.told(kind::rejected) == 200; }));
    EXPECT_EQ(r.number(), 1u);
}

TEST_F(watched, a_pinned_plugin_is_left_alone) {
    ASSERT_TRUE(r.pin());
    r.folder.add("plain_v2", "plain");
    EXPECT_TRUE(r.wait_until([&] { return r.info().newest.has_value(); }));
    EXPECT_NE(r.info().newest->reason.find("pinned"), std::string::npos);
    EXPECT_EQ(r.number(), 1u);
}

TEST(unwatched, what_changed_while_the_program_started_is_seen) {
    running_host r({.with_trial = false});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.host->watch());
    EXPECT_TRUE(r.wait_until([&] { return r.number() == 2; }));
}

TEST_F(watched, a_file_is_taken_once_its_mode_is_right) {
    const auto part = r.folder.plugins() / ".new";
    fs::copy_file(fixture_plugin("plain_v2"), part);
    fs::permissions(part, fs::perms::others_write, fs::perm_options::add);
    fs::rename(part, file());
    EXPECT_TRUE(r.wait_until([&] { return r.info().reason.find("writable by everybody") != std::string::npos; }));
    fs::permissions(file(), fs::perms::others_write, fs::perm_options::remove);
    EXPECT_TRUE(runs(2));
}

}  // namespace
}  // namespace sigrun
