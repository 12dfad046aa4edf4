// Differences between configurations, and the revisions that are kept on the disk.
#include "kernel/config/revision_store.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

settings ini(std::string_view text) { return settings::parse(text, "test.ini").value(); }

std::vector<std::string> lines(const std::vector<config_change>& changes) {
    std::vector<std::string> out;
    for (const auto& change : changes) out.push_back(line_of(change));
    return out;
}

TEST(config_diff, keys_that_changed_came_or_went_are_told_with_their_place) {
    const auto changes = diff_settings(ini("[a]\none = 1\ntwo = 2\n[b]\nx = y\n"),
                                       ini("[a]\none = 1\ntwo = 3\nthree = 4\n[c]\nz = 1\n"));
    EXPECT_EQ(lines(changes), (std::vector<std::string>{"a.three: 4 (was not set)", "a.two: 2 -> 3",
                                                        "b.x: not set (was y)", "c.z: 1 (was not set)"}));
    EXPECT_EQ(changes[0].origin, "test.ini:4");
    EXPECT_EQ(changes[2].origin, "test.ini:5") << "where it was";
}

TEST(config_diff, the_order_of_sections_and_their_places_are_no_difference) {
    EXPECT_TRUE(diff_settings(ini("[a]\nx = 1\n[b]\ny = 2\n"), ini("; c\n[b]\ny = 2\n\n[a]\nx = 1\n")).empty());
}

TEST(config_diff, a_section_without_keys_can_come_and_go) {
    const auto changes = diff_settings(ini(""), ini("[instance extra]\n"));
    EXPECT_EQ(lines(changes), std::vector<std::string>{"[instance extra]"});
    EXPECT_EQ(diff_settings(ini("[instance extra]\n"), ini("")).size(), 1u);
}

TEST(config_diff, secrets_are_not_shown) {
    const secret_names secrets{"instance x.token"};
    const auto changes =
        diff_settings(ini("[instance x]\ntoken = old\n"), ini("[instance x]\ntoken = new\nplain = 1\n"));
    std::string all;
    for (const auto& change : changes) all += line_of(shown(change, secrets)) + "\n";
    EXPECT_EQ(all, "instance x.plain: 1 (was not set)\ninstance x.token: *** -> ***\n");
    EXPECT_EQ(to_ini(ini("[instance x]\ntoken = new\nplain = 1\n"), secrets),
              "[instance x]\nplain = 1  ; test.ini:3\ntoken = ***  ; test.ini:2\n");
}

TEST(config_diff, what_is_shown_can_be_read_as_a_file) {
    const auto before = ini("[a]\nx = 1, 2\n[instance b]\ny = \n");
    EXPECT_TRUE(diff_settings(before, settings::parse(to_ini(before, {}), "shown").value()).empty());
}

TEST(bound_values, the_same_meaning_is_no_difference) {
    constexpr std::array table{
        sigrun_opt{
            sizeof(sigrun_opt), SIGRUN_OPT_DURATION, SIGRUN_OPT_HOT, 0, {"time", 4}, {"10s", 3}, {}, {}, {}, 0, 0},
        sigrun_opt{sizeof(sigrun_opt), SIGRUN_OPT_LIST, 0, 0, {"list", 4}, {}, {}, {}, {}, 0, 0},
        sigrun_opt{sizeof(sigrun_opt), SIGRUN_OPT_SECRET, 0, 0, {"token", 5}, {}, {}, {}, {}, 0, 0}};
    auto bind = [&](std::string_view text) {
        const auto config = ini(text);
        return bound_section::bind(config.find("s"), table).value();
    };
    EXPECT_TRUE(bind("")->differing_keys(*bind("[s]\ntime = 10000ms\n")).empty());
    EXPECT_TRUE(bind("[s]\nlist = a, b\n")->differing_keys(*bind("[s]\nlist = a,b\n")).empty());
    EXPECT_EQ(bind("[s]\nlist = a\n")->differing_keys(*bind("[s]\nlist = a, b\ntime = 9s\n")),
              (std::vector<std::string>{"list", "time"}));
    EXPECT_EQ(bind("")->secret_keys(), std::vector<std::string>{"token"});
    EXPECT_TRUE(bind("")->hot("time"));
    EXPECT_FALSE(bind("")->hot("list"));
}

class revisions : public ::testing::Test {
protected:
    revisions() {
        std::string path = (fs::temp_directory_path() / "sigrun-revisions-XXXXXX").string();
        if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
        root_ = path;
    }
    ~revisions() override {
        std::error_code ignored;
        fs::permissions(root_ / "config", fs::perms::owner_all, ignored);
        fs::remove_all(root_, ignored);
    }
    revision_store open() {
        revision_store store((root_ / "config").string());
        store.open().value();
        return store;
    }
    static config_revision make(std::uint64_t number, const std::string& text = "[a]\nx = 1\n") {
        config_revision r;
        r.number = number;
        r.wall_ns = 12345;
        r.why = "api";
        r.note = "a note";
        r.files = {{"sigrun.ini", text}};
        r.merged = ini(text);
        r.secrets = {"a.x"};
        r.changes = {"a.x: *** -> ***"};
        return r;
    }
    static mode_t mode_of(const fs::path& path) {
        struct stat s {};
        return ::stat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
    }
    fs::path root_;
};

TEST_F(revisions, what_was_kept_is_read_back_whole) {
    auto store = open();
    EXPECT_EQ(store.last(), 0u);
    const std::string text = "[a]\nx = caf\xe9 ; in Latin-1\ny = \"quoted\" \\ and more\n";
    store.add(make(1, text)).value();
    auto again = open();
    ASSERT_EQ(again.numbers(), std::vector<std::uint64_t>{1});
    const auto r = again.load(1).value();
    EXPECT_EQ(r.number, 1u);
    EXPECT_EQ(r.wall_ns, 12345);
    EXPECT_EQ(r.why, "api");
    EXPECT_EQ(r.note, "a note");
    ASSERT_EQ(r.files.size(), 1u);
    EXPECT_EQ(r.files[0].text, text);
    EXPECT_TRUE(diff_settings(r.merged, ini(text)).empty());
    EXPECT_EQ(r.merged.find("a")->values.at("x").origin, "test.ini:2");
    EXPECT_TRUE(r.hidden().contains("a.x"));
    EXPECT_EQ(r.changes.size(), 1u);
}

TEST_F(revisions, only_their_owner_can_read_them) {
    auto store = open();
    store.add(make(1)).value();
    EXPECT_EQ(mode_of(root_ / "config"), 0700u);
    EXPECT_EQ(mode_of(root_ / "config" / "1.json"), 0600u);
    // Also when somebody else made the folder.
    fs::permissions(root_ / "config", fs::perms::all);
    open();
    EXPECT_EQ(mode_of(root_ / "config"), 0700u);
}

TEST_F(revisions, the_oldest_go) {
    auto store = open();
    for (std::uint64_t n = 1; n <= 25; ++n) store.add(make(n)).value();
    EXPECT_EQ(store.numbers().size(), revision_store::k_kept);
    EXPECT_EQ(store.numbers().front(), 6u);
    EXPECT_EQ(store.last(), 25u);
    EXPECT_EQ(open().numbers(), store.numbers());
    auto gone = store.load(5);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, errc::not_found);
    EXPECT_NE(gone.error().text().find("6 to 25"), std::string::npos) << gone.error().text();
}

TEST_F(revisions, a_damaged_one_says_so_and_strangers_are_left_alone) {
    auto store = open();
    store.add(make(1)).value();
    store.add(make(2)).value();
    std::ofstream(root_ / "config" / "1.json") << "{\"number\":1,";
    std::ofstream(root_ / "config" / "notes.txt") << "mine";
    std::ofstream(root_ / "config" / "3.json.new") << "half";
    auto again = open();
    EXPECT_EQ(again.numbers(), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_FALSE(again.load(1));
    EXPECT_TRUE(again.load(2));
    EXPECT_TRUE(fs::exists(root_ / "config" / "notes.txt"));
}

TEST_F(revisions, a_folder_that_cannot_be_used_is_a_problem) {
    std::ofstream(root_ / "config") << "a file";
    revision_store store((root_ / "config").string());
    auto opened = store.open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().field, "state-dir");
    fs::remove(root_ / "config");
    auto good = open();
    fs::remove_all(root_ / "config");
    EXPECT_FALSE(good.add(make(1))) << "the folder is gone";
    EXPECT_EQ(good.last(), 0u);
}

TEST(config_files, texts_that_were_kept_are_merged_like_files) {
    config_sources sources;
    sources.environment = false;
    sources.overrides = {"a.y=7"};
    auto merged = settings::merge({{"one.ini", "[a]\nx = 1\ny = 2\n"}, {"two.ini", "[a]\nx = 3\n"}}, sources);
    ASSERT_TRUE(merged) << merged.error().text();
    EXPECT_EQ(merged->find("a")->values.at("x").value, "3");
    EXPECT_EQ(merged->find("a")->values.at("x").origin, "two.ini:2");
    EXPECT_EQ(merged->find("a")->values.at("y").value, "7");
    EXPECT_FALSE(settings::merge({{"one.ini", "[a\n"}}, sources));
}

}  // namespace
}  // namespace sigrun
