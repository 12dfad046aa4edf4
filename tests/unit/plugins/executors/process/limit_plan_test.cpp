// Which limit is held by what, what is refused, and what a shim's counts make of an ending.
#include "limit_plan.hpp"

#include "outcome.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <signal.h>

namespace sigrun::process_test {
namespace {

using namespace sigrun::process;

sdk::job_limits limits_of(const std::string& text) {
    sdk::job_limits l;
    auto fault = sdk::read_job_limits(boost::json::parse(text), l);
    EXPECT_FALSE(fault) << text;
    return l;
}

std::string why(std::uint32_t) { return "no controller here"; }

TEST(limit_plan, groups_come_before_resource_limits) {
    auto l = limits_of(R"({"memory":"1GiB","pids":9,"cpus":0.5})");
    auto p = plan_limits(l, SIGRUN_SHIM_BY_MEMORY | SIGRUN_SHIM_BY_PIDS | SIGRUN_SHIM_BY_CPUS, {});
    EXPECT_EQ(p.shim.address_space, SIGRUN_SHIM_NO_LIMIT);
    EXPECT_EQ(p.shim.processes, SIGRUN_SHIM_NO_LIMIT);
    EXPECT_EQ(to_json(p.limits), R"({"memory":{"limit":1073741824,"by":"cgroup_v2"},"cpus":{"limit":5E-1,"by":)"
                                 R"("cgroup_v2"},"pids":{"limit":9,"by":"cgroup_v2"}})");
}

TEST(limit_plan, without_groups_each_limit_says_how_far_it_goes) {
    auto l = limits_of(R"({"memory":"1GiB","pids":9,"cpus":2})");
    auto p = plan_limits(l, 0, {false, 100, why});
    EXPECT_EQ(p.shim.address_space, 1u << 30);
    EXPECT_EQ(p.shim.processes, 109u);
    ASSERT_EQ(p.limits.size(), 3u);
    EXPECT_EQ(p.limits[0].by, holder::rlimit);
    EXPECT_EQ(p.limits[0].why, "RLIMIT_AS holds each process, not the job; no controller here");
    EXPECT_EQ(p.limits[1].by, holder::none);
    EXPECT_EQ(p.limits[1].why, "no controller here");
    EXPECT_EQ(p.limits[2].why, "RLIMIT_NPROC counts every process of the user; no controller here");
    EXPECT_EQ(p.refusal, "");
    // Root's processes are not counted by the kernel.
    p = plan_limits(l, 0, {true, 100, why});
    EXPECT_EQ(p.shim.processes, SIGRUN_SHIM_NO_LIMIT);
    EXPECT_EQ(p.limits[2].by, holder::none);
}

TEST(limit_plan, required_refuses_what_does_not_hold_the_whole_job) {
    auto l = limits_of(R"({"memory":"1GiB","enforce":"required"})");
    EXPECT_NE(plan_limits(l, 0, {false, 0, why}).refusal.find("limits.memory: RLIMIT_AS"), std::string::npos);
    EXPECT_EQ(plan_limits(l, SIGRUN_SHIM_BY_MEMORY | SIGRUN_SHIM_BY_V1, {false, 0, why}).refusal, "");
    l = limits_of(R"({"open_files":100,"file_size":0,"core":0,"workspace":"1GiB","enforce":"required"})");
    EXPECT_EQ(plan_limits(l, 0, {false, 0, why}).refusal, "");
}

TEST(limit_plan, an_attempt_that_was_found_again_is_described_by_what_its_shim_kept) {
    auto l = limits_of(R"({"memory":"1GiB","workspace":"1GiB"})");
    EXPECT_EQ(to_json(held_limits(l, SIGRUN_SHIM_BY_MEMORY | SIGRUN_SHIM_BY_V1)),
              R"({"memory":{"limit":1073741824,"by":"cgroup_v1"},"workspace":{"limit":1073741824,"by":"watch"}})");
}

struct ended {
    evidence what;
    ended() {
        what.exited = sigrun_shim_exited{};
        what.measured = sigrun_shim_measured{};
        what.measured->disk_free = what.measured->inodes_free = SIGRUN_SHIM_NO_LIMIT;
    }
    boost::json::object conclusion() const {
        return boost::json::parse(conclude(what, {{"", {"true"}}}).json).as_object();
    }
};

TEST(limit_plan, counts_of_the_kernel_explain_a_failure_and_no_success) {
    ended e;
    e.what.measured->oom_kills = 2;
    e.what.exited->exit_code = 0;
    EXPECT_FALSE(e.conclusion().contains("class"));
    e.what.exited->exit_code = 137;
    auto o = e.conclusion();
    EXPECT_EQ(o["code"], "oom");
    EXPECT_EQ(o["exit_code"], 137);
    EXPECT_NE(o["message"].as_string().find("killed 2 processes of the job"), std::string::npos);
}

TEST(limit_plan, a_time_limit_or_a_cancel_that_came_first_stays_the_reason) {
    ended e;
    e.what.measured->oom_kills = 1;
    e.what.exited->exit_code = -1;
    e.what.exited->signal = SIGKILL;
    e.what.exited->ladder = SIGRUN_SHIM_TIMEOUT;
    EXPECT_EQ(e.conclusion()["class"], "user_timeout");
    e.what.exited->ladder = SIGRUN_SHIM_CANCELLED;
    EXPECT_EQ(e.conclusion()["class"], "cancelled");
}

TEST(limit_plan, no_free_inode_is_a_full_disk) {
    ended e;
    e.what.exited->exit_code = 1;
    e.what.measured->disk_free = 1u << 30;
    e.what.measured->inodes_free = 5;
    EXPECT_FALSE(e.conclusion().contains("class"));
    e.what.measured->inodes_free = 0;
    EXPECT_EQ(e.conclusion()["code"], "disk");
}

}  // namespace
}  // namespace sigrun::process_test
