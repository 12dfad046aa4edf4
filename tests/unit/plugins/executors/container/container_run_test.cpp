// Jobs of kind "container" with an engine that is another process: by default one that has Docker's API and no containers, and with
// SIGRUN_TEST_ENGINE = SOCKET,IMAGE a real one.
#include "engine_http.hpp"
#include "unit/plugins/executors/process/executor_rig.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

namespace sigrun::process_test {
namespace {

class container_jobs : public executor_rig {
protected:
    void SetUp() override {
        component_ = "container";
        has_shim_ = false;
        executor_rig::SetUp();
        const char* real = std::getenv("SIGRUN_TEST_ENGINE");
        const std::string given = real ? real : "";
        if (!given.empty()) {
            socket_ = given.substr(0, given.find(','));
            image_ = given.substr(given.find(',') + 1);
        } else {
            socket_ = workspace_ + ".sock";
            start_engine();
        }
        start({{"sockets", socket_}, {"kill_grace", "200ms"}, {"network", "none"}});
    }
    void TearDown() override {
        executor_rig::TearDown();
        if (engine_ > 0) stop_engine();
        ::unlink((workspace_ + ".sock").c_str());
    }
    bool is_real() const { return engine_ == 0; }
    void start_engine() {
        int ready[2];
        ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
        posix_spawn_file_actions_t files;
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawn_file_actions_adddup2(&files, ready[1], 1);
        std::vector<std::string> words{"python3", SIGRUN_SOURCE_DIR "/tests/fixtures/fake_engine.py",
                                       socket_,   "--image",
                                       "busybox", "--image",
                                       "oom",     "--pullable",
                                       "far"};
        std::vector<char*> argv;
        for (auto& w : words) argv.push_back(w.data());
        argv.push_back(nullptr);
        ASSERT_EQ(::posix_spawnp(&engine_, "python3", &files, nullptr, argv.data(), environ), 0);
        ::posix_spawn_file_actions_destroy(&files);
        ::close(ready[1]);
        char word[8] = {};
        EXPECT_GT(::read(ready[0], word, sizeof word), 0);
        ::close(ready[0]);
    }
    void stop_engine() {
        ::kill(engine_, SIGKILL);
        ::waitpid(std::exchange(engine_, 0), nullptr, 0);
    }
    json::object document(std::string_view script, json::object more = {}) {
        more["kind"] = "container";
        more["command"] = json::array{"sh", "-c", script};
        if (!more.contains("container")) more["container"] = json::object{{"image", image_}, {"pull", "never"}};
        return more;
    }
    running in_container(std::string_view script, json::object more = {}) {
        return begin(document(script, std::move(more)));
    }
    running attach(const running& before, std::string_view script) {
        running r;
        r.token = before.token;
        sigrun_attempt attempt{sizeof attempt, 3, str("018f-job"), str(r.token)};
        auto text = json::serialize(document(script));
        sigrun_task task{sizeof task, 0, &attempt, str("container"), str(text), str(workspace_), nullptr, 0};
        r.op = host_.mint();
        EXPECT_EQ(table_->attach(instance_, &task, 0, r.sink->abi(), r.op), SIGRUN_PENDING);
        return r;
    }
    static void expect_end(const mock_host::outcome& o, std::string_view cls, std::string_view code) {
        auto end = json::parse(o.text).as_object();
        ASSERT_TRUE(end.contains("class")) << o.text;
        EXPECT_EQ(std::string_view(end["class"].as_string()), cls) << o.text;
        EXPECT_EQ(std::string_view(end["code"].as_string()), code) << o.text;
    }
    void expect_no_container(const running& r) { EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{}); }

    std::string socket_, image_ = "busybox";
    pid_t engine_ = 0;
};

TEST_F(container_jobs, output_exit_code_and_workspace_come_back) {
    auto r =
        in_container("echo out; echo err >&2; pwd >/dev/null; echo kept > result; exit 3", {{"env", {{"X", "y"}}}});
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 3) << json::serialize(o);
    EXPECT_EQ(output(r), "out\n");
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR), "err\n");
    EXPECT_TRUE(std::filesystem::exists(workspace_ + "/result"));
    EXPECT_EQ(o["isolation"].at("processes").at("by"), "container");
    expect_no_container(r);
}

TEST_F(container_jobs, much_output_arrives_whole) {
    auto r = in_container("seq 1 50000");
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    std::string numbers;
    for (int i = 1; i <= 50000; ++i) numbers += concat(i, "\n");
    EXPECT_TRUE(output(r) == numbers) << output(r).size();
}

TEST_F(container_jobs, secrets_are_in_its_environment_and_not_in_what_it_tells) {
    auto r = in_container(
        "printf '%s' \"$KEY\" | cut -c1-4; echo \"<$KEY>\"; echo \"$KEY\" | base64 >&2; echo \"key=$KEY\" >> "
        "$SIGRUN_OUTPUT;"
        "echo v=1 >> $SIGRUN_OUTPUT; printf hunter2; exit 3",
        {{"secrets", {{"KEY", "hunter2-and-more"}}}});
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 3) << json::serialize(o);
    EXPECT_EQ(output(r), "hunt\n<***>\nhunter2");
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR).find("aHVudGVyMi1hbmQtbW9y"), std::string::npos);
    EXPECT_EQ(o["outputs"], json::value({{"key", "***"}, {"v", "1"}}));
}

TEST_F(container_jobs, steps_run_one_after_another_until_one_fails) {
    json::object d = document("true");
    d.erase("command");
    d["steps"] =
        json::array{json::array{"sh", "-c", "echo one > file"}, json::array{"cat", "file"},
                    json::object{{"name", "bad"}, {"command", {"sh", "-c", "exit 4"}}}, json::array{"echo", "never"}};
    auto r = begin(d);
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 4);
    EXPECT_EQ(o["message"], "step 3 of 4 (bad) exited with code 4");
    EXPECT_EQ(output(r), "one\n");
}

TEST_F(container_jobs, each_step_says_how_it_ended) {
    json::object d = document("true");
    d.erase("command");
    d["steps"] =
        json::array{json::object{{"name", "lint"}, {"command", {"sh", "-c", "exit 3"}}, {"continue_on_error", true}},
                    json::object{{"name", "test"}, {"command", {"true"}}},
                    json::object{{"name", "last"}, {"command", {"sh", "-c", "exit 5"}}, {"continue_on_error", true}}};
    auto o = parsed(wait(begin(d)));
    EXPECT_EQ(o["exit_code"], 0) << json::serialize(o);
    std::string told;
    for (const auto& each : o["steps"].as_array())
        told += concat(std::string_view(each.at("name").as_string()), " ",
                       std::string_view(each.at("state").as_string()), " ", each.at("exit_code").as_int64(), ";");
    EXPECT_EQ(told, "lint failed 3;test succeeded 0;last failed 5;");
}

TEST_F(container_jobs, a_cancel_is_term_and_after_the_grace_kill) {
    auto r = in_container("trap 'echo told' TERM; echo up; while :; do sleep 0.05; done");
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 300 * k_ms), SIGRUN_OK);
    expect_end(wait(r), "cancelled", "cancelled");
    EXPECT_NE(output(r).find("told"), std::string::npos);
    expect_no_container(r);
    EXPECT_EQ(table_->cancel(instance_, r.op, 0), SIGRUN_E_NOT_FOUND);
}

TEST_F(container_jobs, the_run_timeout_ends_it) {
    running r;
    begin(r, document("echo up; while :; do sleep 0.05; done"), monotonic_ns() + 1'500 * k_ms);
    expect_end(wait(r), "user_timeout", "run");
    expect_no_container(r);
}

TEST_F(container_jobs, a_command_that_is_not_in_the_image_is_the_users) {
    auto d = document("true");
    d["command"] = json::array{"no-such-program"};
    auto r = begin(d);
    auto o = wait(r);
    expect_end(o, "user", "not_found");
    EXPECT_EQ(parsed(o)["exit_code"], 127);
}

TEST_F(container_jobs, an_image_that_is_not_here_is_another_runners_and_one_that_cannot_be_pulled_a_dependency) {
    auto r = in_container("true", {{"container", {{"image", "sigrun.test/nothing:1"}, {"pull", "never"}}}});
    expect_end(wait(r), "refused", "image");
    r = in_container("true", {{"container", {{"image", "sigrun.test/nothing:1"}}}});
    expect_end(wait(r), "infra_dependency", "pull");
    if (is_real()) return;
    r = in_container("echo pulled", {{"container", {{"image", "far"}}}});
    wait(r);
    EXPECT_EQ(output(r), "pulled\n");
}

TEST_F(container_jobs, lack_of_memory_is_told_as_that) {
    auto r =
        is_real()
            ? in_container("exec dd if=/dev/zero of=/dev/null bs=200M count=1", {{"limits", {{"memory", "24MiB"}}}})
            : in_container("exit 137", {{"container", {{"image", "oom"}}}, {"limits", {{"memory", "24MiB"}}}});
    auto o = wait(r);
    if (is_real() && json::parse(o.text).as_object()["class"] != "resource") GTEST_SKIP() << o.text;
    expect_end(o, "resource", "oom");
    EXPECT_EQ(parsed(o)["limits"].at("memory").at("by"), "container");
}

TEST_F(container_jobs, without_an_engine_a_job_is_refused_with_the_reason) {
    start({{"sockets", "/not/there.sock"}});
    auto o = wait(in_container("true"));
    expect_end(o, "refused", "container");
    EXPECT_NE(o.text.find("/not/there.sock: No such file"), std::string::npos) << o.text;
}

TEST_F(container_jobs, a_later_agent_goes_on_with_what_an_earlier_one_began) {
    const std::string script = "echo before; while [ ! -e go ]; do sleep 0.05; done; echo after; exit 5";
    running first;
    first.token = concat("test:killed:", ::getpid());
    // The earlier agent is another process, which is killed while its job runs. No thread of this one runs yet.
    int up[2];
    ASSERT_EQ(::pipe2(up, O_CLOEXEC), 0);
    const pid_t agent = ::fork();
    if (agent == 0) {
        sigrun_attempt attempt{sizeof attempt, 3, str("018f-job"), str(first.token)};
        auto text = json::serialize(document(script));
        sigrun_task task{sizeof task, 0, &attempt, str("container"), str(text), str(workspace_), nullptr, 0};
        first.op = host_.mint();
        table_->run(instance_, &task, first.sink->abi(), first.op);
        wait_output(first, "before");
        [[maybe_unused]] ssize_t n = ::write(up[1], "x", 1);
        ::pause();
        ::_exit(1);
    }
    char word = 0;
    EXPECT_EQ(::read(up[0], &word, 1), 1);
    ::kill(agent, SIGKILL);
    ::waitpid(agent, nullptr, 0);
    ::close(up[0]);
    ::close(up[1]);
    auto again = attach(first, script);
    wait_output(again, "before");
    std::ofstream(workspace_ + "/go") << "go";
    auto o = parsed(wait(again));
    EXPECT_EQ(o["exit_code"], 5) << json::serialize(o);
    EXPECT_EQ(output(again), "before\nafter\n");
    for (const auto& f : again.sink->frames())
        if (f.kind == SIGRUN_LOG) {
            EXPECT_LT(f.offset, 13u);
        }
    expect_no_container(again);
}

TEST_F(container_jobs, what_was_never_begun_is_lost) {
    running never;
    never.token = "test:never";
    expect_end(wait(attach(never, "true")), "infra_runner", "lost");
}

TEST_F(container_jobs, an_engine_that_goes_away_is_not_the_users_fault) {
    if (is_real()) GTEST_SKIP() << "a real engine is left alone";
    auto r = in_container("echo up; sleep 1000");
    wait_output(r, "up");
    const auto orphans = processes_with(r.token);
    stop_engine();
    for (pid_t pid : orphans) ::kill(pid, SIGKILL);
    start_engine();  // it knows of nothing any more
    expect_end(wait(r), "infra_runner", "container_gone");
}

TEST_F(container_jobs, what_an_engine_is_can_be_required) {
    auto op = host_.mint();
    EXPECT_EQ(table_->describe(instance_, op), SIGRUN_PENDING);
    EXPECT_NE(host_.wait(op).text.find(R"({"key":"isolation.container","status":"ok")"), std::string::npos);
    start({{"sockets", "/not/there.sock"}});
    op = host_.mint();
    table_->describe(instance_, op);
    EXPECT_NE(host_.wait(op).text.find(R"("status":"absent")"), std::string::npos);
}

}  // namespace
}  // namespace sigrun::process_test
