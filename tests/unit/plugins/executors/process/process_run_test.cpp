// What a command does and what comes back: exit codes, signals, output, environment, steps.
#include "executor_rig.hpp"

#include <sys/stat.h>

namespace sigrun::process_test {
namespace {

class process_run : public executor_rig {};

TEST_F(process_run, exit_code_zero_is_ok_with_usage) {
    auto r = shell("echo hello");
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_OK);
    auto j = parsed(o);
    EXPECT_EQ(j["exit_code"], 0);
    EXPECT_TRUE(j["signal"].is_null());
    EXPECT_GT(j["usage"].as_object()["max_rss_bytes"].to_number<std::int64_t>(), 0);
    EXPECT_EQ(output(r), "hello\n");
}

TEST_F(process_run, exit_code_comes_back_as_it_was) {
    auto j = parsed(wait(shell("exit 37")));
    EXPECT_EQ(j["exit_code"], 37);
    EXPECT_NE(j["message"].as_string().find("37"), json::string::npos);
}

TEST_F(process_run, a_signal_of_its_own_is_reported_as_signal) {
    auto j = parsed(wait(shell("kill -SEGV $$")));
    EXPECT_TRUE(j["exit_code"].is_null());
    EXPECT_EQ(j["signal"], 11);
}

TEST_F(process_run, running_is_announced_once) {
    auto r = shell("true");
    wait(r);
    int announced = 0;
    for (const auto& f : r.sink->frames())
        if (f.kind == SIGRUN_STATE) {
            ++announced;
            EXPECT_EQ(f.json, R"({"state":"running"})");
            EXPECT_EQ(f.attempt, 3u);
            EXPECT_EQ(f.token, r.token);
        }
    EXPECT_EQ(announced, 1);
}

TEST_F(process_run, streams_are_apart_and_each_keeps_its_order) {
    auto r = shell("i=0; while [ $i -lt 300 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done");
    wait(r);
    std::string out, err;
    for (int i = 0; i < 300; ++i) {
        out += concat("out", i, "\n");
        err += concat("err", i, "\n");
    }
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDOUT), out);
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR), err);
    EXPECT_FALSE(r.sink->overlapped());
}

TEST_F(process_run, output_is_live) {
    ASSERT_EQ(::mkfifo((workspace_ + "/fifo").c_str(), 0600), 0);
    auto r = shell("echo first; read line < fifo");
    wait_output(r, "first\n");
    EXPECT_FALSE(host_.completed(r.op));
    std::ofstream(workspace_ + "/fifo") << "go\n";
    auto j = parsed(wait(r));
    EXPECT_TRUE(j.contains("exit_code"));
}

TEST_F(process_run, frames_are_at_most_64_kib_and_carry_the_time) {
    auto r = shell("head -c 1000000 /dev/zero");
    wait(r);
    std::size_t total = 0;
    for (const auto& f : r.sink->frames())
        if (f.kind == SIGRUN_LOG) {
            EXPECT_LE(f.payload.size(), SIGRUN_LOG_MAX);
            EXPECT_GT(f.time_ns, 1'600'000'000'000'000'000u);
            total += f.payload.size();
        }
    EXPECT_EQ(total, 1'000'000u);
}

TEST_F(process_run, environment_is_minimal_and_the_jobs_own_wins) {
    ::setenv("SIGRUN_TEST_LEAK", "1", 1);
    auto r = begin({{"command", {"env"}}, {"env", {{"MY_VAR", "a b=c"}, {"LANG", "xx"}, {"SIGRUN_JOB", "forged"}}}});
    wait(r);
    auto env = "\n" + output(r);
    for (const auto& line :
         {concat("MY_VAR=a b=c"), concat("LANG=xx"), concat("TMPDIR=", workspace_), concat("SIGRUN_JOB=018f-job"),
          concat("SIGRUN_ATTEMPT=3"), concat("SIGRUN_FENCING_TOKEN=", r.token)})
        EXPECT_NE(env.find("\n" + line + "\n"), std::string::npos) << line << " in" << env;
    EXPECT_NE(env.find("\nPATH="), std::string::npos);
    EXPECT_NE(env.find("\nHOME="), std::string::npos);
    EXPECT_EQ(env.find("SIGRUN_TEST_LEAK"), std::string::npos);
    ::unsetenv("SIGRUN_TEST_LEAK");
}

TEST_F(process_run, no_descriptor_of_the_runner_reaches_the_job) {
    int leak = ::open("/dev/null", O_RDONLY);  // no O_CLOEXEC: a library of the runner might forget it
    auto r = shell("ls /proc/$$/fd; true");    // no pipe: the shell would hold its ends for a moment
    wait(r);
    ::close(leak);
    EXPECT_EQ(output(r), "0\n1\n2\n");
}

TEST_F(process_run, runs_in_the_workspace_or_below_it_or_where_told) {
    auto plain = begin({{"command", {"pwd"}}});
    wait(plain);
    EXPECT_EQ(output(plain), workspace_ + "\n");
    auto below = begin({{"command", {"pwd"}}, {"workdir", "a/b"}});
    wait(below);
    EXPECT_EQ(output(below), workspace_ + "/a/b\n");
    auto absolute = begin({{"command", {"pwd"}}, {"workdir", "/"}});
    wait(absolute);
    EXPECT_EQ(output(absolute), "/\n");
}

TEST_F(process_run, a_workdir_that_cannot_be_used_is_the_users_failure) {
    for (auto workdir : {"/does/not/exist", "../outside", "a/../../outside"}) {
        auto o = wait(begin({{"command", {"pwd"}}, {"workdir", workdir}}));
        EXPECT_LT(o.result, 0) << workdir;
        EXPECT_EQ(parsed(o)["class"], "user") << workdir;
        EXPECT_NE(o.text.find("work"), std::string::npos) << o.text;
    }
}

TEST_F(process_run, a_command_that_is_not_there_is_127) {
    for (auto command : {"no-such-command-here", "/no/such/file", ""}) {
        auto o = wait(begin({{"command", {command}}}));
        EXPECT_EQ(o.result, SIGRUN_E_NOT_FOUND);
        auto j = parsed(o);
        EXPECT_EQ(j["class"], "user");
        EXPECT_EQ(j["exit_code"], 127);
    }
}

TEST_F(process_run, a_file_that_cannot_be_executed_is_126) {
    std::ofstream(workspace_ + "/data") << "plain text";
    ::chmod((workspace_ + "/data").c_str(), 0644);
    auto denied = parsed(wait(begin({{"command", {workspace_ + "/data"}}})));
    EXPECT_EQ(denied["class"], "user");
    EXPECT_EQ(denied["exit_code"], 126);
    ::chmod((workspace_ + "/data").c_str(), 0755);
    auto no_format = parsed(wait(begin({{"command", {workspace_ + "/data"}}})));
    EXPECT_EQ(no_format["exit_code"], 126) << "never handed to a shell";
}

TEST_F(process_run, commands_are_looked_up_in_the_jobs_own_path) {
    std::ofstream(workspace_ + "/mine") << "#!/bin/sh\necho found\n";
    ::chmod((workspace_ + "/mine").c_str(), 0755);
    auto r = begin({{"command", {"mine"}}, {"env", {{"PATH", concat("/nowhere:", workspace_)}}}});
    EXPECT_EQ(wait(r).result, SIGRUN_OK);
    EXPECT_EQ(output(r), "found\n");
}

TEST_F(process_run, a_shim_that_is_not_there_is_the_runners_failure) {
    start({{"shim", "/no/such/shim"}});
    auto o = wait(shell("true"));
    EXPECT_LT(o.result, 0);
    auto j = parsed(o);
    EXPECT_EQ(j["class"], "infra_runner");
    EXPECT_EQ(j["code"], "spawn");
    EXPECT_NE(o.text.find("/no/such/shim"), std::string::npos);
}

TEST_F(process_run, steps_run_in_order_and_stop_at_the_first_failure) {
    json::array steps{json::array{"sh", "-c", "echo one > f; echo 1"},
                      {{"name", "two"}, {"command", {"sh", "-c", "cat f; exit 5"}}},
                      json::array{"echo", "never"}};
    auto r = begin({{"steps", steps}});
    auto j = parsed(wait(r));
    EXPECT_EQ(j["exit_code"], 5);
    EXPECT_EQ(output(r), "1\none\n");
    EXPECT_EQ(j["message"], "step 2 of 3 (two) exited with code 5");
}

TEST_F(process_run, each_step_says_how_it_ended_and_those_after_the_end_are_skipped) {
    json::array steps{json::object{{"name", "one"}, {"command", {"sh", "-c", "exit 7"}}, {"continue_on_error", true}},
                      json::object{{"command", {"/no/such/program"}}, {"continue_on_error", true}},
                      json::object{{"name", "three"}, {"command", {"sh", "-c", "kill -TERM $$"}}},
                      json::array{"echo", "never"}};
    auto r = begin({{"steps", steps}});
    auto j = parsed(wait(r));
    EXPECT_EQ(j["signal"], 15) << json::serialize(j);
    const auto& told = j["steps"].as_array();
    ASSERT_EQ(told.size(), 4u);
    const auto part = [&](std::size_t i, const char* member) { return json::serialize(told[i].at(member)); };
    EXPECT_EQ(part(0, "state") + part(0, "exit_code"), "\"failed\"7");
    EXPECT_EQ(part(1, "state") + part(1, "exit_code"), "\"failed\"127");
    EXPECT_EQ(part(2, "state") + part(2, "exit_code") + part(2, "signal"), "\"failed\"null15");
    EXPECT_EQ(part(3, "state"), "\"skipped\"");
    EXPECT_FALSE(told[3].as_object().contains("wall_ms"));
}

TEST_F(process_run, a_last_step_that_may_fail_is_success_and_a_plain_command_has_no_steps) {
    auto r =
        begin({{"steps", {json::array{"true"}, json::object{{"command", {"false"}}, {"continue_on_error", true}}}}});
    auto o = wait(r);
    EXPECT_EQ(o.result, SIGRUN_OK);
    EXPECT_EQ(parsed(o)["exit_code"], 0) << o.text;
    EXPECT_FALSE(parsed(wait(begin({{"command", {"true"}}}))).contains("steps"));
}

TEST_F(process_run, what_ends_the_attempt_ends_it_also_in_a_step_that_may_fail) {
    json::array steps{json::object{{"command", {"sh", "-c", "echo up; sleep 60"}}, {"continue_on_error", true}},
                      json::array{"echo", "never"}};
    auto r = begin({{"steps", steps}});
    ASSERT_TRUE(eventually([&] { return output(r) == "up\n"; }));
    ASSERT_EQ(table_->cancel(instance_, r.op, 0), SIGRUN_OK);
    auto j = parsed(wait(r));
    EXPECT_EQ(j["class"], "cancelled");
    EXPECT_EQ(output(r), "up\n");
    EXPECT_EQ(j["steps"].at(1).at("state"), "skipped");
}

TEST_F(process_run, all_steps_succeeding_is_success) {
    auto r = begin({{"steps", {{"true"}, {"echo", "last"}}}});
    const auto how = wait(r);
    EXPECT_EQ(how.result, SIGRUN_OK) << json::serialize(parsed(how));
    EXPECT_EQ(output(r), "last\n");
}

TEST_F(process_run, a_wrong_document_is_the_users_failure_and_names_the_field) {
    std::vector<std::pair<json::object, std::string>> cases{
        {{}, "command"},
        {{{"command", json::array{}}}, "command"},
        {{{"command", "ls"}}, "command"},
        {{{"command", {"a", 1}}}, "command[1]"},
        {{{"command", {json::string_view("a\0b", 3)}}}, "command[0]"},
        {{{"command", {"a"}}, {"steps", {{"b"}}}}, "command"},
        {{{"steps", {json::array{}}}}, "steps[0]"},
        {{{"steps", {{{"name", "x"}}}}}, "steps[0].command"},
        {{{"steps", {{{"command", {"a"}}, {"continue_on_error", 1}}}}}, "steps[0].continue_on_error"},
        {{{"command", {"a"}}, {"env", json::array{}}}, "env"},
        {{{"command", {"a"}}, {"env", {{"A=B", "x"}}}}, "env"},
        {{{"command", {"a"}}, {"env", {{"A", 1}}}}, "env.A"},
        {{{"command", {"a"}}, {"workdir", 7}}, "workdir"},
    };
    for (const auto& [document, field] : cases) {
        auto o = wait(begin(document));
        EXPECT_LT(o.result, 0) << json::serialize(document);
        auto j = parsed(o);
        EXPECT_EQ(j["class"], "user");
        EXPECT_EQ(j["message"].as_string().find(field), 0u) << o.text << " for " << json::serialize(document);
    }
}

TEST_F(process_run, an_argument_list_that_is_too_long_fails_the_job_alone) {
    auto o = wait(begin({{"command", {"echo", std::string(9 << 20, 'x')}}}));
    EXPECT_EQ(parsed(o)["code"], "too_large");
    auto second = wait(begin({{"command", {"echo", std::string(1 << 20, 'x')}}}));  // more than the kernel takes
    EXPECT_EQ(parsed(second)["exit_code"], 126);
    EXPECT_EQ(wait(shell("true")).result, SIGRUN_OK);
}

TEST_F(process_run, fifty_at_once_do_not_mix) {
    std::vector<running> all;
    for (int i = 0; i < 50; ++i) all.push_back(shell(concat("echo ", i, "; sleep 0.0", i, "; echo ", i, "; exit ", i)));
    for (int i = 0; i < 50; ++i) {
        auto& r = all[static_cast<std::size_t>(i)];
        EXPECT_EQ(parsed(wait(r))["exit_code"], i);
        EXPECT_EQ(output(r), concat(i, "\n", i, "\n"));
    }
}

TEST_F(process_run, ten_megabytes_arrive_intact_through_a_sink_that_is_often_full) {
    auto script = "i=0; while [ $i -lt 10 ]; do head -c 1048576 /dev/zero | tr '\\0' $i; i=$((i+1)); done";
    auto r = shell(script);
    // Full and free again in turns, as a window that is drained slowly.
    bool full = false;
    while (!host_.completed(r.op)) {
        full = !full;
        r.sink->set_result(full ? SIGRUN_E_BUSY : SIGRUN_OK);
        auto before = r.sink->refused();
        if (full)
            eventually([&] { return r.sink->refused() > before || host_.completed(r.op); }, milliseconds(500));
        else
            ::poll(nullptr, 0, 5);
    }
    EXPECT_EQ(wait(r).result, SIGRUN_OK);
    EXPECT_GT(r.sink->refused(), 0u);
    std::string wanted;
    for (char c = '0'; c <= '9'; ++c) wanted += std::string(1 << 20, c);
    EXPECT_TRUE(output(r) == wanted) << "got " << output(r).size() << " bytes";
}

}  // namespace
}  // namespace sigrun::process_test
