// Nothing a job started outlives it: cancel, timeout, background processes, a dead runner, a dead shim.
#include "executor_rig.hpp"
#include "group_pool.hpp"
#include "spool_file.hpp"

#include <sigrun/shim.h>

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace sigrun::process_test {
namespace {

// A descendant that left session, group and parent, and one that also ignores TERM.
constexpr std::string_view k_escape =
    "(setsid sh -c 'sleep 1000 & sleep 1000' &) ; setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & ";

class process_tree : public executor_rig {
protected:
    void expect_nothing_left(const running& r) { EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{}); }
    pid_t shim_of(const running& r) {
        for (pid_t pid : processes_with(r.token)) {
            std::ifstream stat(concat("/proc/", pid, "/stat"));
            std::string text((std::istreambuf_iterator<char>(stat)), {});
            auto close = text.rfind(')');
            if (close == std::string::npos) continue;
            pid_t parent = std::stoi(text.substr(close + 4));
            std::ifstream comm(concat("/proc/", parent, "/comm"));
            std::string name;
            std::getline(comm, name);
            if (name == "sigrun-shim") return parent;
        }
        return 0;
    }
};

TEST_F(process_tree, cancel_ends_a_process_that_honours_term_at_once) {
    auto r = shell("echo up; exec sleep 1000");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 3'600'000 * k_ms), SIGRUN_OK);
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(parsed(o)["class"], "cancelled");
    EXPECT_EQ(parsed(o)["signal"], SIGTERM);
    expect_nothing_left(r);
}

TEST_F(process_tree, cancel_kills_a_process_that_ignores_term_after_the_grace) {
    auto r = shell("trap '' TERM; echo up; while :; do sleep 1000; done");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 100 * k_ms), SIGRUN_OK);
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(parsed(o)["signal"], SIGKILL);
    expect_nothing_left(r);
}

TEST_F(process_tree, a_second_cancel_shortens_the_grace) {
    auto r = shell("trap '' TERM; echo up; while :; do sleep 1000; done");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 3'600'000 * k_ms), SIGRUN_OK);
    EXPECT_EQ(table_->cancel(instance_, r.op, 0), SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

TEST_F(process_tree, term_gives_time_to_clean_up) {
    auto r = shell("trap 'echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 10'000 * k_ms), SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    EXPECT_NE(output(r).find("cleaned"), std::string::npos);
}

TEST_F(process_tree, cancel_of_what_is_over_or_unknown_says_so) {
    auto r = shell("true");
    wait(r);
    EXPECT_EQ(table_->cancel(instance_, r.op, 0), SIGRUN_E_NOT_FOUND);
    EXPECT_EQ(table_->cancel(instance_, 999'999, 0), SIGRUN_E_NOT_FOUND);
}

TEST_F(process_tree, cancel_reaches_setsid_and_double_fork) {
    auto r = shell(concat(k_escape, "echo up; sleep 1000"));
    wait_output(r, "up");
    ASSERT_TRUE(eventually([&] { return processes_with(r.token).size() >= 6; })) << processes_with(r.token).size();
    EXPECT_EQ(table_->cancel(instance_, r.op, 100 * k_ms), SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

TEST_F(process_tree, without_cgroups_cancel_reaches_setsid_and_double_fork_as_well) {
    start({{"kill_grace", "200ms"}, {"cgroups", "off"}});
    auto r = shell(concat(k_escape, "echo up; cat /proc/self/cgroup; sleep 1000"));
    wait_output(r, "up");
    ASSERT_TRUE(eventually([&] { return processes_with(r.token).size() >= 6; })) << processes_with(r.token).size();
    EXPECT_EQ(output(r).find("sigrun-jobs-"), std::string::npos) << output(r);
    EXPECT_EQ(table_->cancel(instance_, r.op, 100 * k_ms), SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

// Where the tests may make cgroups in a v2 hierarchy, alone or beside v1.
TEST_F(process_tree, each_job_has_a_cgroup_of_its_own_which_is_used_again_and_removed) {
    process::group_pool pool(true);
    if (!pool.why_not().empty()) GTEST_SKIP() << pool.why_not();
    auto group_of = [&](const running& r) {
        wait(r);
        auto text = output(r);
        auto at = text.find("0::");
        return at == std::string::npos ? text : text.substr(at + 3, text.find('\n', at) - at - 3);
    };
    auto first = shell("cat /proc/self/cgroup; sleep 0.1");
    auto second = shell("cat /proc/self/cgroup; sleep 0.1");
    auto one = group_of(first), two = group_of(second);
    EXPECT_NE(one.find("sigrun-jobs-"), std::string::npos) << one;
    EXPECT_NE(one, two);
    auto third = group_of(shell("cat /proc/self/cgroup"));
    EXPECT_TRUE(third == one || third == two) << third;
    host_.destroy(instance_);
    instance_ = nullptr;
    auto own = pool.take();
    ASSERT_TRUE(own);
    auto below = std::filesystem::path(own->path).parent_path().parent_path().string();
    EXPECT_FALSE(std::filesystem::exists(below + one.substr(one.rfind("/sigrun-jobs-"))));
    pool.give_back(std::move(own), true);
}

// A kernel that counts the orders to kill a cgroup kills who is born into one that was killed before.
TEST_F(process_tree, what_was_killed_does_not_kill_the_next_job) {
    for (int i = 0; i < 3; ++i) {
        auto r = shell("trap '' TERM; echo up; sleep 1000; sleep 1000");
        wait_output(r, "up");
        EXPECT_EQ(table_->cancel(instance_, r.op, 0), SIGRUN_OK);
        EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
        auto crashed = shell("setsid sleep 1000 & echo up; sleep 1000");
        wait_output(crashed, "up");
        ASSERT_TRUE(eventually([&] { return shim_of(crashed) > 0; }));
        ::kill(shim_of(crashed), SIGKILL);
        EXPECT_EQ(parsed(wait(crashed))["code"], "shim_crash");
        EXPECT_EQ(wait(shell("setsid sleep 1000 & exit 0")).result, SIGRUN_OK);
        EXPECT_EQ(wait(shell("true")).result, SIGRUN_OK);
        EXPECT_EQ(wait(shell("true")).result, SIGRUN_OK);
    }
}

TEST_F(process_tree, background_processes_end_with_their_job) {
    auto r = shell(concat(k_escape, "sleep 1000 & exit 4"));
    auto o = wait(r);
    EXPECT_EQ(parsed(o)["exit_code"], 4) << "what it left running does not change how it ended";
    expect_nothing_left(r);
}

TEST_F(process_tree, a_background_process_holding_the_pipe_does_not_hold_the_job) {
    auto r = shell("setsid sh -c 'sleep 1000' & echo done");
    EXPECT_EQ(wait(r).result, SIGRUN_OK);
    EXPECT_EQ(output(r), "done\n");
    expect_nothing_left(r);
}

TEST_F(process_tree, a_stopped_process_is_ended_too) {
    auto r = shell("echo up; kill -STOP $$; echo never");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 100 * k_ms), SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

TEST_F(process_tree, run_timeout_is_the_users_timeout) {
    auto r = shell("trap '' TERM; sleep 1000; sleep 1000", monotonic_ns() + 100 * k_ms);
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_E_TIMEOUT);
    EXPECT_EQ(parsed(o)["class"], "user_timeout");
    expect_nothing_left(r);
}

TEST_F(process_tree, a_job_that_ends_before_its_deadline_is_not_touched) {
    auto r = shell("exit 3", monotonic_ns() + 60'000 * k_ms);
    EXPECT_EQ(parsed(wait(r))["exit_code"], 3);
}

TEST_F(process_tree, a_fork_storm_is_ended) {
    // Every process starts two more, to a depth that makes a few hundred; none honours TERM.
    std::ofstream(workspace_ + "/storm") << "trap '' TERM\n[ $1 -gt 0 ] || exec sleep 1000\n"
                                            "sh storm $(($1-1)) & setsid sh storm $(($1-1)) & wait\nsleep 1000\n";
    auto r = shell("echo up; exec sh storm 6");
    ASSERT_TRUE(eventually([&] { return processes_with(r.token).size() > 30; }));
    EXPECT_EQ(table_->cancel(instance_, r.op, 50 * k_ms), SIGRUN_OK);
    EXPECT_EQ(wait(r, std::chrono::seconds(60)).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

TEST_F(process_tree, a_killed_shim_is_a_runner_failure_and_leaves_nothing) {
    auto r = shell(concat(k_escape, "echo up; sleep 1000"));
    wait_output(r, "up");
    ASSERT_TRUE(eventually([&] { return processes_with(r.token).size() >= 6; }));
    pid_t shim = shim_of(r);
    ASSERT_GT(shim, 0);
    ::kill(shim, SIGKILL);
    auto o = wait(r);
    EXPECT_LT(o.result, 0);
    EXPECT_EQ(parsed(o)["class"], "infra_runner");
    EXPECT_EQ(parsed(o)["code"], "shim_crash");
    EXPECT_TRUE(eventually([&] { return processes_with(r.token).empty(); }));
}

TEST_F(process_tree, destroying_the_executor_ends_everything_and_completes_the_ops) {
    auto r = shell(concat(k_escape, "trap '' TERM; echo up; sleep 1000; sleep 1000"));
    auto blocked = shell("echo up; yes");
    wait_output(r, "up");
    wait_output(blocked, "up");
    blocked.sink->set_result(SIGRUN_E_BUSY);
    host_.destroy(instance_);
    instance_ = nullptr;
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(wait(blocked).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
    expect_nothing_left(blocked);
}

TEST_F(process_tree, drain_waits_for_what_runs_and_takes_nothing_new) {
    auto r = shell("echo up; while [ ! -e go ]; do sleep 0.01; done");
    wait_output(r, "up");
    auto done = host_.mint();
    EXPECT_EQ(instance_->drain(instance_, monotonic_ns() + 60'000 * k_ms, done), SIGRUN_PENDING);
    auto refused = host_.mint();
    sigrun_attempt attempt{sizeof attempt, 1, str("j"), str("t")};
    sigrun_task task{sizeof task,     0,       &attempt, str("process"), str(R"({"command":["true"]})"),
                     str(workspace_), nullptr, 0};
    EXPECT_EQ(table_->run(instance_, &task, r.sink->abi(), refused), SIGRUN_E_CANCELLED);
    host_.forget(refused);
    EXPECT_FALSE(host_.completed(done));
    std::ofstream(workspace_ + "/go") << "1";
    EXPECT_EQ(wait(r).result, SIGRUN_OK);
    EXPECT_EQ(host_.wait(done).result, SIGRUN_OK);
}

TEST_F(process_tree, drain_ends_what_runs_at_its_deadline) {
    auto r = shell("trap '' TERM; echo up; sleep 1000; sleep 1000");
    wait_output(r, "up");
    auto done = host_.mint();
    EXPECT_EQ(instance_->drain(instance_, monotonic_ns() + 50 * k_ms, done), SIGRUN_PENDING);
    EXPECT_EQ(host_.wait(done).result, SIGRUN_OK);
    EXPECT_EQ(wait(r).result, SIGRUN_E_CANCELLED);
    expect_nothing_left(r);
}

// The shim alone, with this test as the executor that dies.
TEST_F(process_tree, a_dead_runner_takes_its_processes_along) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    auto spool = process::make_spool(process::descriptor(), "orphan", 65536, "");
    int high = ::fcntl(spool.get(), F_DUPFD_CLOEXEC, 20), control = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 20);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, control, SIGRUN_SHIM_CONTROL_FD);
    ::posix_spawn_file_actions_adddup2(&actions, high, SIGRUN_SHIM_SPOOL_FD);
    char name[] = "sigrun-shim";
    char* argv[] = {name, nullptr};
    char* none[] = {nullptr};
    pid_t shim = 0;
    ASSERT_EQ(::posix_spawn(&shim, SIGRUN_BUILD_DIR "/bin/sigrun-shim", &actions, nullptr, argv, none), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    ::close(high);
    ::close(control);

    running r;
    r.token = concat("orphan:", ::getpid());
    std::string script = concat(k_escape, "trap '' TERM; sleep 1000; sleep 1000");
    std::vector<std::string> texts{workspace_, "PATH=/usr/bin:/bin", "SIGRUN_FENCING_TOKEN=" + r.token, "sh", "-c",
                                   script};
    sigrun_shim_start start{};
    start.grace_ns = 100 * k_ms;
    start.n_steps = 1;
    start.n_env = 2;
    std::uint32_t argc = 3;
    std::string body(reinterpret_cast<const char*>(&start), sizeof start);
    body.append(reinterpret_cast<const char*>(&argc), sizeof argc);
    for (const auto& t : texts) body.append(t.c_str(), t.size() + 1);
    sigrun_shim_head head{SIGRUN_SHIM_START, static_cast<std::uint32_t>(body.size())};
    ASSERT_EQ(::send(ends[0], &head, sizeof head, 0), static_cast<ssize_t>(sizeof head));
    ASSERT_EQ(::send(ends[0], body.data(), body.size(), 0), static_cast<ssize_t>(body.size()));
    ASSERT_TRUE(eventually([&] { return processes_with(r.token).size() >= 6; }));

    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(shim, &status, 0), shim);
    EXPECT_EQ(status, 0);
    expect_nothing_left(r);
}

TEST_F(process_tree, a_shim_that_gets_garbage_refuses_it) {
    for (std::string garbage : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(64, '\xff'), std::string()}) {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends[1], SIGRUN_SHIM_CONTROL_FD);
        char name[] = "sigrun-shim";
        char* argv[] = {name, nullptr};
        char* none[] = {nullptr};
        pid_t shim = 0;
        ASSERT_EQ(::posix_spawn(&shim, SIGRUN_BUILD_DIR "/bin/sigrun-shim", &actions, nullptr, argv, none), 0);
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        ::send(ends[0], garbage.data(), garbage.size(), MSG_NOSIGNAL);
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(shim, &status, 0), shim);
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_NE(WEXITSTATUS(status), 0);
    }
}

}  // namespace
}  // namespace sigrun::process_test
