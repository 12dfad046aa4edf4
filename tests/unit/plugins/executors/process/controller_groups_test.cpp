// Where groups with controllers can be made, and what is written into them: over recorded trees of each layout.
#include "controller_groups.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sigrun::process_test {
namespace {

using namespace sigrun::process;
namespace fs = std::filesystem;

class controller_groups_test : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/sigrun-groups-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        root_ = name;
    }
    void TearDown() override { fs::remove_all(root_); }
    void put(const std::string& path, const std::string& text) const {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    static std::string read(const std::string& path) {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void v1() const {
        std::string mounts, groups;
        int id = 30;
        for (const std::string c : {"cpu", "memory", "pids"}) {
            mounts += std::to_string(id) + " 25 0:" + std::to_string(id) + " / /sys/fs/cgroup/" + c +
                      " rw - cgroup cgroup rw," + c + "\n";
            groups += std::to_string(id++) + ":" + c + ":/svc\n";
            fs::create_directories(root_ + "/sys/fs/cgroup/" + c + "/svc");
        }
        put("/proc/self/mountinfo", mounts);
        put("/proc/self/cgroup", groups);
    }
    void v2(const std::string& own, const std::string& base, const std::string& controllers) const {
        put("/proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        put("/proc/self/cgroup", "0::" + own + "\n");
        fs::create_directories(root_ + "/sys/fs/cgroup" + own);
        put("/sys/fs/cgroup" + own + "/cgroup.type", "domain\n");
        put("/sys/fs/cgroup" + base + "/cgroup.controllers", controllers + "\n");
        put("/sys/fs/cgroup" + base + "/cgroup.subtree_control", "\n");
    }
    static sdk::job_limits all() {
        sdk::job_limits l;
        l.memory = 64u << 20;
        l.cpus = 1500;
        l.pids = 40;
        return l;
    }

    std::string root_;
};

TEST_F(controller_groups_test, v1_makes_one_group_in_each_hierarchy) {
    v1();
    controller_groups groups(true, root_);
    EXPECT_EQ(groups.version(), 1);
    EXPECT_EQ(groups.why_not(SIGRUN_SHIM_BY_MEMORY), "");
    auto made = groups.take(all(), "x");
    EXPECT_EQ(made.held,
              unsigned{SIGRUN_SHIM_BY_MEMORY | SIGRUN_SHIM_BY_PIDS | SIGRUN_SHIM_BY_CPUS | SIGRUN_SHIM_BY_V1});
    EXPECT_EQ(read(made.v1[0].path + "/memory.limit_in_bytes"), "67108864");
    EXPECT_EQ(read(made.v1[0].path + "/memory.memsw.limit_in_bytes"), "67108864");
    EXPECT_EQ(read(made.v1[1].path + "/pids.max"), "40");
    EXPECT_EQ(read(made.v1[2].path + "/cpu.cfs_period_us"), "100000");
    EXPECT_EQ(read(made.v1[2].path + "/cpu.cfs_quota_us"), "150000");
    EXPECT_TRUE(made.v1[0].path.starts_with(root_ + "/sys/fs/cgroup/memory/svc/sigrun-limits-"));
}

TEST_F(controller_groups_test, only_what_is_limited_gets_a_group) {
    v1();
    controller_groups groups(true, root_);
    sdk::job_limits l;
    l.pids = 7;
    auto made = groups.take(l, "x");
    EXPECT_EQ(made.held, unsigned{SIGRUN_SHIM_BY_PIDS | SIGRUN_SHIM_BY_V1});
    EXPECT_TRUE(made.v1[0].path.empty());
    EXPECT_TRUE(made.v1[2].path.empty());
}

TEST_F(controller_groups_test, v2_makes_one_group_beside_the_subgroup_of_the_agent) {
    v2("/system.slice/r.service/agent", "/system.slice/r.service", "cpuset cpu io memory pids");
    controller_groups groups(true, root_);
    EXPECT_EQ(groups.version(), 2);
    auto made = groups.take(all(), "x");
    EXPECT_EQ(made.held, unsigned{SIGRUN_SHIM_BY_MEMORY | SIGRUN_SHIM_BY_PIDS | SIGRUN_SHIM_BY_CPUS});
    EXPECT_TRUE(made.v2.path.starts_with(root_ + "/sys/fs/cgroup/system.slice/r.service/sigrun-limits-"));
    EXPECT_EQ(read(made.v2.path + "/memory.max"), "67108864");
    EXPECT_EQ(read(made.v2.path + "/memory.swap.max"), "0");
    EXPECT_EQ(read(made.v2.path + "/pids.max"), "40");
    EXPECT_EQ(read(made.v2.path + "/cpu.max"), "150000 100000");
    // Each controller was switched on, one over the other in a recorded file.
    EXPECT_EQ(read(root_ + "/sys/fs/cgroup/system.slice/r.service/cgroup.subtree_control"), "+cpusry");
}

TEST_F(controller_groups_test, v2_without_a_subgroup_holds_nothing_and_says_what_is_missing) {
    v2("/system.slice/r.service", "/system.slice/r.service", "cpu memory pids");
    controller_groups groups(true, root_);
    EXPECT_EQ(groups.version(), 0);
    EXPECT_NE(groups.why_not(SIGRUN_SHIM_BY_MEMORY).find("DelegateSubgroup=agent"), std::string::npos);
    EXPECT_EQ(groups.take(all(), "x").held, 0u);
    EXPECT_EQ(read(root_ + "/sys/fs/cgroup/system.slice/r.service/cgroup.subtree_control"), "\n");
}

TEST_F(controller_groups_test, v2_holds_what_is_delegated_and_names_what_is_not) {
    v2("/r/agent", "/r", "memory");
    controller_groups groups(true, root_);
    EXPECT_EQ(groups.take(all(), "x").held, unsigned{SIGRUN_SHIM_BY_MEMORY});
    EXPECT_EQ(groups.why_not(SIGRUN_SHIM_BY_MEMORY), "");
    EXPECT_EQ(groups.why_not(SIGRUN_SHIM_BY_CPUS), "the controller cpu is not delegated to /sys/fs/cgroup/r");
}

TEST_F(controller_groups_test, at_the_top_of_v2_no_subgroup_is_needed) {
    v2("/", "", "memory pids cpu");
    fs::remove(root_ + "/sys/fs/cgroup/cgroup.type");
    controller_groups groups(true, root_);
    auto made = groups.take(all(), "x");
    EXPECT_TRUE(made.v2.path.starts_with(root_ + "/sys/fs/cgroup/sigrun-limits-")) << made.v2.path;
}

TEST_F(controller_groups_test, without_cgroups_and_when_switched_off_it_holds_nothing) {
    put("/proc/self/mountinfo", "");
    put("/proc/self/cgroup", "");
    controller_groups none(true, root_);
    EXPECT_EQ(none.why_not(SIGRUN_SHIM_BY_PIDS), "this machine has no cgroup controller pids");
    v1();
    controller_groups off(false, root_);
    EXPECT_EQ(off.why_not(SIGRUN_SHIM_BY_PIDS), "cgroups are switched off");
    EXPECT_EQ(off.take(all(), "x").held, 0u);
}

TEST_F(controller_groups_test, groups_of_processes_that_are_gone_are_removed) {
    v1();
    auto at = root_ + "/sys/fs/cgroup/pids/svc/sigrun-limits-";
    fs::create_directory(at + "999999999-a");
    fs::create_directory(at + "1-a");
    controller_groups groups(true, root_);
    EXPECT_FALSE(fs::exists(at + "999999999-a"));
    EXPECT_TRUE(fs::exists(at + "1-a"));
}

}  // namespace
}  // namespace sigrun::process_test
