// Jobs of kind "sandbox" in a real bubblewrap below a real shim.
#include "sandboxed_jobs.hpp"
#include "unit/plugins/executors/process/executor_rig.hpp"

#include <algorithm>

namespace sigrun::process_test {
namespace {

class sandbox_jobs : public executor_rig {
protected:
    void SetUp() override {
        component_ = "sandbox";
        executor_rig::SetUp();
        static const auto found = sandbox::find_bubblewrap("");
        if (!found.why_not.empty()) GTEST_SKIP() << found.why_not;
    }
    static std::string said(const running& r) {
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_STATE) return f.json;
        return {};
    }
};

TEST_F(sandbox_jobs, only_the_workspace_and_tmp_can_be_written_to) {
    auto r = shell(
        "echo a > inside; echo b > /tmp/mine; (echo c > /etc/sigrun-outside) 2>/dev/null || echo refused; cat inside "
        "/tmp/mine; pwd");
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), concat("refused\na\nb\n", workspace_, "\n"))
        << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_TRUE(std::filesystem::exists(workspace_ + "/inside"));
    EXPECT_NE(said(r).find(R"("files":{"value":"read_only","by":"bubblewrap"})"), std::string::npos) << said(r);
}

TEST_F(sandbox_jobs, it_has_no_network_no_other_process_and_no_way_to_more) {
    auto r = shell(
        "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; all=$(ls /proc); echo \"$all\" | grep -c '^[0-9]'; grep "
        "CapEff "
        "/proc/self/status; "
        "unshare -U true 2>/dev/null || echo no name space; ls -A /root /home /run | grep -c sigrun; echo $HOME");
    auto o = parsed(wait(r));
    // bwrap's own first process, the shell, and ls.
    EXPECT_EQ(output(r), concat("lo\n3\nCapEff:\t0000000000000000\nno name space\n0\n", workspace_, "\n"))
        << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
}

TEST_F(sandbox_jobs, network_and_calls_are_those_of_the_machine_if_it_asks) {
    auto r = begin({{"command", {"sh", "-c", "readlink /proc/self/ns/net; grep -E '^Seccomp:' /proc/self/status"}},
                    {"isolation", {{"network", "host"}, {"syscalls", "all"}}}});
    wait(r);
    char name[64] = {};
    ASSERT_GT(::readlink("/proc/self/ns/net", name, sizeof name - 1), 0);
    EXPECT_EQ(output(r), concat(name, "\nSeccomp:\t0\n"));
    EXPECT_EQ(said(r).find("network"), std::string::npos) << said(r);
}

TEST_F(sandbox_jobs, what_makes_it_a_sandbox_cannot_be_switched_off) {
    auto r = begin({{"command", {"true"}}, {"isolation", {{"files", "host"}}}});
    auto o = parsed(wait(r));
    EXPECT_EQ(o["class"], "user");
    EXPECT_EQ(o["code"], "invalid");
    EXPECT_NE(std::string(o["message"].as_string()).find("isolation.files"), std::string::npos);
}

TEST_F(sandbox_jobs, a_folder_that_the_runner_allows_is_writable_and_no_other) {
    char folder[] = "/var/tmp/sigrun-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    start({{"writable", folder}});
    auto r = begin({{"command", {"sh", "-c", concat("echo kept > ", folder, "/file")}},
                    {"isolation", {{"writable", json::array{folder}}}}});
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_TRUE(std::filesystem::exists(concat(folder, "/file")));
    r = begin({{"command", {"true"}}, {"isolation", {{"writable", json::array{"/etc"}}}}});
    EXPECT_EQ(parsed(wait(r))["class"], "refused");
    std::filesystem::remove_all(folder);
}

TEST_F(sandbox_jobs, a_cancel_gives_time_to_clean_up_and_leaves_nobody) {
    auto r = shell(
        "(setsid sh -c 'trap \"\" TERM; sleep 1000' &); trap 'echo cleaned > done; exit 0' TERM; echo up; while :; do "
        "sleep 0.01; done");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 500 * k_ms), SIGRUN_OK);
    EXPECT_EQ(parsed(wait(r))["class"], "cancelled");
    EXPECT_TRUE(std::filesystem::exists(workspace_ + "/done"));
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(sandbox_jobs, what_it_leaves_running_is_ended_and_its_code_is_kept) {
    auto r = shell("(setsid sleep 1000 &); exit 7");
    EXPECT_EQ(parsed(wait(r))["exit_code"], 7);
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(sandbox_jobs, limits_hold_it_as_every_other_job) {
    auto r = begin({{"command", {"sh", "-c", "ulimit -n"}}, {"limits", {{"open_files", 77}}}});
    EXPECT_EQ(parsed(wait(r))["limits"].at("open_files").at("by"), "rlimit");
    EXPECT_EQ(output(r), "77\n");
}

TEST_F(sandbox_jobs, it_can_have_a_terminal_and_another_user) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "nobody"}});
    auto r =
        begin({{"command", {"sh", "-c", "test -t 1 && id -u && echo x > mine"}}, {"pty", true}, {"user", "nobody"}});
    auto o = parsed(wait(r));
    if (output(r).find("bwrap:") != std::string::npos) GTEST_SKIP() << output(r);  // no user name spaces here
    EXPECT_EQ(output(r), "65534\n") << json::serialize(o);
}

TEST_F(sandbox_jobs, a_command_that_is_not_there_is_told_as_by_every_executor) {
    auto o = parsed(wait(begin({{"command", {"no-such-program"}}})));
    EXPECT_EQ(o["code"], "not_found");
    EXPECT_EQ(o["exit_code"], 127);
}

TEST_F(sandbox_jobs, without_bubblewrap_a_job_is_refused_with_the_reason) {
    start({{"bwrap", workspace_ + "/nothing"}});
    auto o = parsed(wait(shell("true")));
    EXPECT_EQ(o["class"], "refused");
    EXPECT_EQ(o["code"], "sandbox");
    EXPECT_NE(std::string(o["message"].as_string()).find("is not bubblewrap"), std::string::npos);
}

TEST(sandbox_command, folders_of_other_jobs_are_hidden_before_the_own_one_is_shown) {
    std::string workspace = "/usr/share/attempt-1", workdir = workspace + "/a";
    process::base_environment environment;
    const auto c = sandbox::bubblewrap_command("/usr/bin/bwrap", {"", {"/root", "/not-there"}, {}},
                                               {workspace, workdir, 1000, "", environment}, {"/srv/cache"}, true, true);
    const auto at = [&](const std::string& word) { return std::find(c.begin(), c.end(), word) - c.begin(); };
    EXPECT_LT(at("/usr/share"), at(workspace));
    EXPECT_EQ(std::count(c.begin(), c.end(), "/not-there"), 0);
    EXPECT_EQ(std::count(c.begin(), c.end(), "--unshare-net"), 0);
    EXPECT_EQ(std::count(c.begin(), c.end(), "--unshare-user"), 1);
    EXPECT_EQ(c[static_cast<std::size_t>(at("--seccomp")) + 1], "3");
    EXPECT_EQ(c.back(), "--");
}

}  // namespace
}  // namespace sigrun::process_test
