// The folder that jobs work in.
#include "calls.hpp"

namespace sigrun::storage {
namespace {

using machines::status_of;
using machines::value_of;

class work_folder : public testing::Test {
protected:
    work_folder() {
        tree.write("proc/self/mountinfo",
                   "27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:9 / /scratch rw,noexec - tmpfs t rw\n"
                   "41 27 0:10 / /net rw - nfs server:/ rw\n42 27 0:11 / /auto rw - autofs a rw\n");
        tree.write("var/lib/sigrun/x", "").write("scratch/x", "").write("net/x", "");
    }
    machines::fact_map at(const std::string& path) {
        who.asked.clear();
        return machines::facts_below(tree.path(), [&](auto& root, auto& run) {
            const mount_table mounts(root.read("/proc/self/mountinfo"));
            read_work(root, mounts, who.calls(), {path, "test"}, run.facts());
        });
    }
    machines::scratch_tree tree;
    spaces who;
};

TEST_F(work_folder, is_described_by_the_mount_it_lies_on) {
    who.by_path["/var/lib/sigrun"] = {0, {2000, 700, 10, 10}};
    auto facts = at("/var/lib/sigrun");
    EXPECT_EQ(value_of(facts, "work.path"), "/var/lib/sigrun");
    EXPECT_TRUE(facts.at("work.path").contains("unique"));
    EXPECT_EQ(value_of(facts, "work.fs"), "ext4");
    EXPECT_EQ(value_of(facts, "work.exec"), true);
    EXPECT_EQ(value_of(facts, "work.tmpfs"), false);
    EXPECT_EQ(value_of(facts, "work.available_bytes"), 700);
    EXPECT_EQ(facts.at("work.available_bytes").at("volatility"), "fast");
    facts = at("/scratch");
    EXPECT_EQ(value_of(facts, "work.fs"), "tmpfs");
    EXPECT_EQ(value_of(facts, "work.exec"), false);
    EXPECT_EQ(value_of(facts, "work.tmpfs"), true);
}

TEST_F(work_folder, that_is_not_there_yet_is_described_by_what_it_will_be_made_in) {
    const auto facts = at("/var/lib/sigrun/runner/r1/workspaces");
    EXPECT_EQ(who.asked, std::vector<std::string>{"/var/lib/sigrun"});
    EXPECT_EQ(value_of(facts, "work.path"), "/var/lib/sigrun/runner/r1/workspaces");
    EXPECT_EQ(facts.at("work.available_bytes").at("detail"), "not there yet; the values are of /var/lib/sigrun");
}

TEST_F(work_folder, links_are_followed_but_not_onto_what_could_block) {
    const auto link = [&](const char* to, const char* name) {
        std::filesystem::create_symlink(to, tree.path() + name);
    };
    link("/scratch", "/var/work");
    link("../../net/jobs", "/var/lib/remote");
    link("loop", "/var/loop");
    link("/auto/x", "/var/automatic");
    EXPECT_EQ(value_of(at("/var/work/deep"), "work.fs"), "tmpfs");
    EXPECT_EQ(who.asked, std::vector<std::string>{"/scratch"});
    for (const char* path : {"/var/lib/remote", "/net", "/net/deep", "/var/automatic/y"}) {
        const auto facts = at(path);
        EXPECT_EQ(who.asked, std::vector<std::string>{}) << path;
        EXPECT_EQ(status_of(facts, "work.available_bytes"), "error") << path;
        EXPECT_EQ(status_of(facts, "work.quota_bytes"), "error") << path;
    }
    EXPECT_EQ(value_of(at("/net/deep"), "work.fs"), "nfs");
    EXPECT_EQ(value_of(at("/var/loop/x"), "work.fs"), "ext4") << "a circle ends";
    EXPECT_EQ(value_of(at("/var/../scratch/./x/.."), "work.fs"), "tmpfs");
}

TEST_F(work_folder, quotas_are_told_or_why_not) {
    const auto quota = [&](answer<std::uint64_t> said) {
        auto calls = who.calls();
        calls.quota_of = [said](const std::string&) { return said; };
        return machines::facts_below(tree.path(), [&](auto& root, auto& run) {
            const mount_table mounts(root.read("/proc/self/mountinfo"));
            read_work(root, mounts, calls, {"/var", "test"}, run.facts());
        });
    };
    EXPECT_EQ(value_of(quota({0, 4096}), "work.quota_bytes"), 4096);
    EXPECT_EQ(status_of(quota({0, 0}), "work.quota_bytes"), "absent");
    EXPECT_EQ(status_of(quota({ESRCH, 0}), "work.quota_bytes"), "absent");
    EXPECT_EQ(status_of(quota({ENOSYS, 0}), "work.quota_bytes"), "unsupported");
    EXPECT_EQ(status_of(quota({EPERM, 0}), "work.quota_bytes"), "denied");
}

TEST_F(work_folder, a_failing_statvfs_is_no_number) {
    who.by_path["/var"] = {EIO, {}};
    EXPECT_EQ(status_of(at("/var"), "work.available_bytes"), "error");
    who.by_path["/var"] = {EACCES, {}};
    EXPECT_EQ(status_of(at("/var"), "work.available_bytes"), "denied");
}

TEST(storage_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_of(empty, {});
    EXPECT_EQ(facts.size(), 8u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

}  // namespace
}  // namespace sigrun::storage
