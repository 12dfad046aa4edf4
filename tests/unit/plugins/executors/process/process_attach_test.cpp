// A job goes on when its agent dies, and the next agent finds it: running, ended, or with its shim dead as well.
//
// The agent that dies is a child process of this test with an executor of its own.
#include "executor_rig.hpp"

#include <sigrun/shim.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace sigrun::process_test {
namespace {

// How long those without a name sleep: a number that tells them from those of a test that runs beside this one.
std::string their_sleep() { return concat("987.", ::getpid()); }

// It left session, group and parent, cleared its environment and ignores TERM: only a cgroup finds it when its shim is dead.
std::string nameless() {
    const auto nap = "sleep " + their_sleep();
    return concat("env -i setsid sh -c \"trap '' TERM; (", nap, " & ", nap, ") & ", nap, "\" & ");
}

class process_attach : public executor_rig {
protected:
    void SetUp() override {
        executor_rig::SetUp();
        folder_ = workspace_ + "/attempt";
        ASSERT_EQ(::mkdir(folder_.c_str(), 0700), 0);
        ASSERT_EQ(::mkfifo((workspace_ + "/go").c_str(), 0600), 0);
    }

    struct gone_agent {
        std::string token;
    };
    /// An agent that runs the job until it has said `up`, and is killed then.
    gone_agent die_after_start(const json::object& document, std::map<std::string, std::string> options = {},
                               std::uint64_t deadline_ns = 0) {
        static std::atomic<int> counter{0};
        gone_agent gone{concat("attach:", ::getpid(), ":", ++counter)};
        options.try_emplace("kill_grace", "200ms");
        live_and_die([&](int ready) { be_agent(document, gone.token, options, deadline_ns, false, ready); });
        return gone;
    }
    /// One that takes it over, has seen its output, and is killed as well.
    void die_after_attach(const std::string& token) {
        live_and_die([&](int ready) { be_agent({{"command", {"sh"}}}, token, {}, 0, true, ready); });
    }
    gone_agent die_after_start(std::string_view script, std::map<std::string, std::string> options = {},
                               std::uint64_t deadline_ns = 0) {
        return die_after_start({{"command", {"sh", "-c", script}}}, std::move(options), deadline_ns);
    }

    running attach(const std::string& token, std::uint64_t offset = 0, std::uint64_t deadline_ns = 0) {
        running r;
        r.token = token;
        sigrun_attempt attempt{sizeof attempt, 3, str("018f-job"), str(r.token)};
        std::string text = R"({"command":["sh"]})";
        sigrun_task task{sizeof task,     0,       &attempt,    str("process"), str(text),
                         str(workspace_), nullptr, deadline_ns, str(folder_)};
        r.op = host_.mint();
        EXPECT_EQ(table_->attach(instance_, &task, offset, r.sink->abi(), r.op), SIGRUN_PENDING);
        return r;
    }
    void let_it_go_on() { std::ofstream(workspace_ + "/go") << "go\n"; }
    std::string shim_socket() const { return folder_ + "/" SIGRUN_SHIM_SOCKET; }
    pid_t shim_pid() const {
        std::ifstream file(folder_ + "/spool", std::ios::binary);
        file.seekg(SIGRUN_SPOOL_MARK);
        sigrun_spool_mark mark{};
        file.read(reinterpret_cast<char*>(&mark), sizeof mark);
        return mark.shim_pid;
    }
    /// Every LOG frame begins where the one before it ended, from `first` on.
    static void expect_no_gap(const running& r, std::uint64_t first = 0) {
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_LOG) {
                EXPECT_EQ(f.offset, first);
                first = f.offset + f.payload.size();
            }
    }

    std::string folder_;

private:
    template <class Life>
    static void live_and_die(Life live) {
        int ready[2];
        EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
        pid_t agent = ::fork();
        if (agent == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::close(ready[0]);
            live(ready[1]);
        }
        ::close(ready[1]);
        char said = 0;
        EXPECT_EQ(::read(ready[0], &said, 1), 1) << "the agent has seen no output of the job";
        ::close(ready[0]);
        ::kill(agent, SIGKILL);
        ::waitpid(agent, nullptr, 0);
    }
    [[noreturn]] void be_agent(const json::object& document, const std::string& token,
                               const std::map<std::string, std::string>& options, std::uint64_t deadline_ns, bool again,
                               int ready) {
        mock_host host;
        auto all = options;
        all.try_emplace("shim", SIGRUN_BUILD_DIR "/bin/sigrun-shim");
        auto* instance = host.start(host.create("process", all));
        const auto* table =
            static_cast<const sigrun_executor*>(instance->get_interface(instance, str(SIGRUN_KIND_EXECUTOR)));
        recording_sink sink;
        sigrun_attempt attempt{sizeof attempt, 3, str("018f-job"), str(token)};
        auto text = json::serialize(document);
        sigrun_task task{sizeof task,     0,       &attempt,    str("process"), str(text),
                         str(workspace_), nullptr, deadline_ns, str(folder_)};
        if (again)
            table->attach(instance, &task, 0, sink.abi(), host.mint());
        else
            table->run(instance, &task, sink.abi(), host.mint());
        bool up = eventually([&] {
            for (const auto& f : sink.frames())
                if (f.kind == SIGRUN_LOG && f.payload.find("up") != std::string::npos) return true;
            return false;
        });
        if (up && ::write(ready, "1", 1) == 1)
            for (;;) ::pause();
        ::_exit(1);
    }
};

TEST_F(process_attach, a_running_job_is_taken_over_with_every_byte) {
    auto gone =
        die_after_start("echo up; read x < go; i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; exit 6");
    auto r = attach(gone.token);
    wait_output(r, "up\n");
    EXPECT_FALSE(host_.completed(r.op));
    let_it_go_on();
    EXPECT_EQ(parsed(wait(r))["exit_code"], 6);
    std::string wanted = "up\n";
    for (int i = 0; i < 500; ++i) wanted += concat(i, "\n");
    EXPECT_EQ(output(r), wanted);
    expect_no_gap(r);
    EXPECT_FALSE(std::filesystem::exists(shim_socket()));
}

TEST_F(process_attach, what_is_stored_is_not_delivered_again) {
    auto gone = die_after_start("echo up; read x < go; echo more");
    let_it_go_on();
    ASSERT_TRUE(eventually([&] { return processes_with(gone.token).empty(); }));
    auto r = attach(gone.token, 3);
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    EXPECT_EQ(output(r), "more\n");
    expect_no_gap(r, 3);
}

TEST_F(process_attach, one_that_ended_meanwhile_is_reported_with_its_output) {
    auto gone = die_after_start("echo up; read x < go; echo last words >&2; exit 7");
    let_it_go_on();
    ASSERT_TRUE(eventually([&] { return processes_with(gone.token).empty() && ::kill(shim_pid(), 0) != 0; }));
    auto r = attach(gone.token);
    EXPECT_EQ(parsed(wait(r))["exit_code"], 7);
    EXPECT_EQ(output(r), "up\n");
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR), "last words\n");
}

TEST_F(process_attach, it_is_announced_as_running) {
    auto gone = die_after_start("echo up; read x < go");
    auto r = attach(gone.token);
    EXPECT_TRUE(eventually([&] {
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_STATE) return f.json == R"({"state":"running"})";
        return false;
    }));
    let_it_go_on();
    wait(r);
}

TEST_F(process_attach, a_cancel_reaches_it) {
    auto gone = die_after_start(concat("trap '' TERM; echo up; ", nameless(), "read x < go; sleep 1000"));
    auto r = attach(gone.token);
    EXPECT_EQ(table_->cancel(instance_, r.op, 50 * k_ms), SIGRUN_OK);
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(processes_with(gone.token), std::vector<pid_t>{});
}

TEST_F(process_attach, a_second_agent_may_die_too) {
    auto gone = die_after_start("echo up; read x < go; echo end");
    die_after_attach(gone.token);
    die_after_attach(gone.token);
    auto r = attach(gone.token);
    let_it_go_on();
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    EXPECT_EQ(output(r), "up\nend\n");
}

TEST_F(process_attach, the_run_timeout_is_kept_without_an_agent) {
    auto deadline = monotonic_ns() + 1500 * k_ms;
    auto gone = die_after_start("echo up; sleep 1000", {}, deadline);
    ASSERT_TRUE(eventually([&] { return processes_with(gone.token).empty(); }));
    auto o = wait(attach(gone.token, 0, deadline));
    EXPECT_EQ(o.result, SIGRUN_E_TIMEOUT);
    EXPECT_EQ(parsed(o)["class"], "user_timeout");
}

TEST_F(process_attach, when_nobody_comes_it_is_ended) {
    auto gone = die_after_start(concat(nameless(), "trap '' TERM; echo up; sleep 1000; sleep 1000"),
                                {{"orphan_grace", "100ms"}});
    ASSERT_TRUE(eventually([&] { return processes_with(gone.token).empty() && ::kill(shim_pid(), 0) != 0; }));
    auto o = wait(attach(gone.token));
    EXPECT_EQ(parsed(o)["class"], "infra_runner");
    EXPECT_EQ(parsed(o)["code"], "orphaned");
}

TEST_F(process_attach, without_a_grace_it_ends_with_its_agent) {
    auto gone = die_after_start("echo up; sleep 1000", {{"orphan_grace", "0s"}});
    EXPECT_TRUE(eventually([&] { return processes_with(gone.token).empty(); }));
}

TEST_F(process_attach, what_was_never_started_is_the_runners_failure) {
    auto o = wait(attach("nobody"));
    EXPECT_EQ(parsed(o)["class"], "infra_runner");
    EXPECT_EQ(parsed(o)["code"], "lost");
}

TEST_F(process_attach, the_spool_of_another_attempt_is_not_taken_for_it) {
    auto gone = die_after_start("echo up; read x < go");
    let_it_go_on();
    ASSERT_TRUE(eventually([&] { return processes_with(gone.token).empty(); }));
    EXPECT_EQ(parsed(wait(attach("another")))["code"], "lost");
}

TEST_F(process_attach, a_full_spool_holds_the_job_back_and_loses_nothing) {
    auto gone = die_after_start("echo up; read x < go; head -c 2000000 /dev/zero | tr '\\0' z; echo end",
                                {{"spool_limit", "64KiB"}});
    let_it_go_on();
    auto r = attach(gone.token);
    // As the agent does it: what was delivered is stored.
    while (!host_.completed(r.op)) {
        table_->stored(instance_, r.op, output(r).size());
        ::poll(nullptr, 0, 1);
    }
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    EXPECT_TRUE(output(r) == "up\n" + std::string(2'000'000, 'z') + "end\n") << output(r).size();
    expect_no_gap(r);
}

TEST_F(process_attach, a_folder_is_used_again_by_the_next_attempt) {
    for (int i = 0; i < 3; ++i) {
        auto gone = die_after_start(concat("echo up; read x < go; echo round ", i));
        let_it_go_on();
        auto r = attach(gone.token);
        EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
        EXPECT_EQ(output(r), concat("up\nround ", i, "\n"));
    }
}

TEST_F(process_attach, nothing_is_left_when_agent_and_shim_are_killed) {
    auto gone = die_after_start(concat(nameless(), "echo up; sleep 1000"));
    ::kill(shim_pid(), SIGKILL);
    auto o = wait(attach(gone.token));
    EXPECT_EQ(parsed(o)["class"], "infra_runner");
    EXPECT_EQ(parsed(o)["code"], "shim_crash");
    EXPECT_EQ(processes_with(gone.token), std::vector<pid_t>{});
    if (!std::filesystem::exists("/sys/fs/cgroup/cgroup.procs") && !std::filesystem::exists("/sys/fs/cgroup/unified"))
        GTEST_SKIP() << "no cgroup v2 here: the one without a name cannot be found";
    // In brackets, so that the shell that asks does not find itself.
    EXPECT_EQ(std::system(concat("pgrep -f 'slee[p] ", their_sleep(), "' >/dev/null").c_str()), 256)
        << "the one without a name is still there";
}

TEST_F(process_attach, without_cgroups_the_token_finds_what_agent_and_shim_left) {
    auto gone = die_after_start("setsid sh -c \"trap '' TERM; (sleep 1000 &) ; sleep 1000\" & echo up; sleep 1000",
                                {{"cgroups", "off"}});
    ::kill(shim_pid(), SIGKILL);
    auto o = wait(attach(gone.token));
    EXPECT_EQ(parsed(o)["code"], "shim_crash");
    EXPECT_EQ(processes_with(gone.token), std::vector<pid_t>{});
}

}  // namespace
}  // namespace sigrun::process_test
