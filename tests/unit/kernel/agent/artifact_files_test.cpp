// Files that a job has left: found by paths and wildcards, and nothing that lies elsewhere.
#include "kernel/agent/artifact_files.hpp"

#include "kernel/agent/artifact_sender.hpp"
#include "kernel/guard/sha256.hpp"
#include "scratch_dir.hpp"

#include <sigrun/base.h>

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <set>

namespace sigrun::agent_test {
namespace {

namespace fs = std::filesystem;

class artifact_files : public ::testing::Test {
protected:
    void write(const std::string& path, const std::string& bytes) const {
        fs::create_directories(fs::path(dir_ / path).parent_path());
        std::ofstream(dir_ / path, std::ios::binary) << bytes;
    }
    artifact_findings find(const std::vector<artifact_wish>& wishes, const std::string& workdir = "") const {
        return find_artifacts(dir_.path(), workdir, wishes);
    }
    std::set<std::string> names(const std::string& pattern) const {
        std::set<std::string> out;
        for (const auto& each : find({{pattern, "", true}}).all) out.insert(each.name);
        return out;
    }
    using set = std::set<std::string>;
    scratch_dir dir_;
};

TEST_F(artifact_files, paths_and_names_lead_to_one_file_with_its_hash) {
    write("build/app", "hello");
    const auto found = find({{"build/app", "", false}, {"build/app", "renamed", false}});
    EXPECT_TRUE(found.amiss.empty());
    ASSERT_EQ(found.all.size(), 2u);
    EXPECT_EQ(found.all[0].name, "build/app");
    EXPECT_EQ(found.all[0].size, 5u);
    EXPECT_EQ(found.all[0].sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    EXPECT_EQ(found.all[1].name, "renamed");
}

TEST_F(artifact_files, wildcards_stay_within_a_component_and_two_stars_do_not) {
    for (const auto* path :
         {"a.bin", "b.bin", "b.txt", "x/c.bin", "x/y/d.bin", "x/y/z/e.bin", ".hidden/f.bin", "x/.g.bin"})
        write(path, path);
    EXPECT_EQ(names("*.bin"), (set{"a.bin", "b.bin"}));
    EXPECT_EQ(names("[ab].*"), (set{"a.bin", "b.bin", "b.txt"}));
    EXPECT_EQ(names("*/*.bin"), (set{"x/c.bin"}));
    EXPECT_EQ(names("x/**/*.bin"), (set{"x/c.bin", "x/y/d.bin", "x/y/z/e.bin"}));
    EXPECT_EQ(names("**/*.bin"), (set{"a.bin", "b.bin", "x/c.bin", "x/y/d.bin", "x/y/z/e.bin"}));
    EXPECT_EQ(names("x/**"), (set{"x/c.bin", "x/y/d.bin", "x/y/z/e.bin"}));
    EXPECT_EQ(names("x/?/d.bin"), (set{"x/y/d.bin"}));
    EXPECT_EQ(names("x/.g*"), (set{"x/.g.bin"}));
    EXPECT_EQ(names("none/*"), set{});
}

TEST_F(artifact_files, are_below_a_relative_workdir_and_below_the_workspace_otherwise) {
    write("sub/dir/a", "1");
    write("a", "22");
    EXPECT_EQ(find({{"a", "", false}}, "sub/dir").all.at(0).size, 1u);
    EXPECT_EQ(find({{"a", "", false}}, "/usr/bin").all.at(0).size, 2u);
    EXPECT_FALSE(find({{"a", "", false}}, "../x").amiss.empty());
}

TEST_F(artifact_files, nothing_is_read_through_a_link_or_from_what_is_no_plain_file) {
    write("real/secret", "x");
    fs::create_symlink(dir_ / "real/secret", dir_ / "link");
    fs::create_symlink(dir_ / "real", dir_ / "folder");
    fs::create_symlink("/etc/passwd", dir_ / "passwd");
    ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
    for (const auto* path : {"link", "passwd", "folder/secret", "pipe", "real"}) {
        const auto found = find({{path, "", true}});
        EXPECT_TRUE(found.all.empty()) << path;
        EXPECT_EQ(found.amiss.size(), 1u) << path << ": not being a file is more than not being there";
    }
    EXPECT_EQ(names("**"), (set{"real/secret"}));
    EXPECT_EQ(names("*"), set{});
    fs::create_symlink("/etc", dir_ / "wd");
    EXPECT_TRUE(find({{"passwd", "", false}}, "wd").all.empty());
}

TEST_F(artifact_files, what_is_missing_is_told_unless_it_is_optional) {
    const auto found = find({{"a", "", false}, {"*.b", "", false}, {"c", "", true}, {"*.d", "", true}});
    ASSERT_EQ(found.amiss.size(), 2u);
    EXPECT_EQ(found.amiss[0], "artifact a: there is no such file");
    EXPECT_EQ(found.amiss[1], "artifact *.b: no file matches");
}

TEST_F(artifact_files, too_many_are_told_and_the_same_file_counts_once) {
    for (std::size_t i = 0; i < k_most_artifacts + 5; ++i) write("f/" + std::to_string(i), "x");
    const auto found = find({{"f/*", "", false}});
    EXPECT_EQ(found.all.size(), k_most_artifacts);
    EXPECT_FALSE(found.amiss.empty());
    write("one", "x");
    EXPECT_EQ(find({{"one", "", false}, {"on*", "", false}}).all.size(), 1u);
}

TEST_F(artifact_files, are_read_as_one_sequence_that_ends_at_each_border) {
    write("a", "hello");
    write("b", "");
    write("c", "world");
    const auto found = find({{"*", "", false}});
    artifact_reader reader(dir_.path(), "", found);
    EXPECT_EQ(reader.read(0, 100).value().view(), "hello");
    EXPECT_EQ(reader.read(3, 100).value().view(), "lo");
    EXPECT_EQ(reader.read(5, 2).value().view(), "wo");
    EXPECT_EQ(reader.read(7, 100).value().view(), "rld");
    EXPECT_FALSE(reader.read(10, 100));
    fs::resize_file(dir_ / "c", 2);
    EXPECT_FALSE(reader.read(7, 100)) << "it has become shorter";
}

TEST_F(artifact_files, the_sender_reads_ahead_for_a_window_jumps_and_goes_back) {
    const std::size_t size = 3 * artifact_sender::k_window;
    write("a", std::string(size, 'x'));
    auto found = find({{"a", "", false}});
    artifact_reader reader(dir_.path(), "", found);
    artifact_sender sender(std::move(found), std::move(reader), {});
    EXPECT_NE(sender.told().find("\"uploading\""), std::string::npos);
    EXPECT_FALSE(sender.wanted()) << "nobody has asked for anything";
    const auto fill = [&] {
        std::size_t n = 0;
        while (const auto at = sender.wanted()) {
            const auto bytes = sender.reader().read(*at, SIGRUN_LOG_MAX).value();
            n += bytes.view().size();
            sender.add(*at, bytes);
        }
        return n;
    };
    EXPECT_FALSE(sender.answered(0));
    EXPECT_EQ(fill(), artifact_sender::k_window);
    ASSERT_NE(sender.next(), nullptr);
    EXPECT_EQ(sender.next()->offset, 0u);
    sender.sent();
    EXPECT_FALSE(sender.answered(SIGRUN_LOG_MAX));
    EXPECT_EQ(fill(), SIGRUN_LOG_MAX);
    // Over another connection: from where the controller has it, also if that is further back.
    sender.say_again();
    EXPECT_EQ(sender.next(), nullptr);
    EXPECT_FALSE(sender.answered(SIGRUN_LOG_MAX));
    EXPECT_EQ(sender.next()->offset, SIGRUN_LOG_MAX);
    sender.say_again();
    EXPECT_FALSE(sender.answered(10));
    EXPECT_EQ(sender.next(), nullptr);
    EXPECT_EQ(sender.wanted(), 10u);
    // Further on than what was read: what lies between is there already.
    EXPECT_FALSE(sender.answered(2 * artifact_sender::k_window));
    EXPECT_EQ(sender.wanted(), 2 * artifact_sender::k_window);
    EXPECT_TRUE(sender.answered(size));
}

}  // namespace
}  // namespace sigrun::agent_test
