// As whom, at what terminal and apart from what a job runs: seen from inside of it, and in what its attempt says.
//
// Name spaces and other users take root; where this process may not make them, those tests say so and are skipped.
#include "executor_rig.hpp"
#include "setting_plan.hpp"

#include <pwd.h>
#include <sys/stat.h>

namespace sigrun::process_test {
namespace {

class process_setting : public executor_rig {
protected:
    running apart(std::string_view script, json::object isolation, json::object more = {}) {
        more["command"] = json::array{"sh", "-c", script};
        more["isolation"] = std::move(isolation);
        return begin(more);
    }
    /// By what a part was held, as it was said when the job ran.
    static std::string held_by(const running& r, std::string_view part) {
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_STATE)
                if (auto o = json::parse(f.json).as_object(); o.contains("isolation"))
                    if (auto* one = o["isolation"].as_object().if_contains(part))
                        return std::string(one->as_object().at("by").as_string());
        return "not said";
    }
    static const process::isolation_means& means() {
        static const auto one = process::isolation_means::of_this_process();
        return one;
    }
    static void expect_end(const mock_host::outcome& o, std::string_view cls, std::string_view code) {
        auto end = json::parse(o.text).as_object();
        ASSERT_TRUE(end.contains("class")) << o.text;
        EXPECT_EQ(std::string_view(end["class"].as_string()), cls) << o.text;
        EXPECT_EQ(std::string_view(end["code"].as_string()), code) << o.text;
    }
};

#define NEED(part) \
    if (const auto& why = means().why_not(part); !why.empty()) GTEST_SKIP() << why

TEST_F(process_setting, a_job_without_wishes_says_nothing_of_isolation) {
    auto r = shell("true");
    EXPECT_FALSE(parsed(wait(r)).contains("isolation"));
    EXPECT_EQ(held_by(r, "network"), "not said");
}

TEST_F(process_setting, a_private_network_has_a_loopback_and_nothing_else) {
    NEED("network");
    auto r = apart(
        "ls /sys/class/net >/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; "
        "ip -o addr show lo 2>/dev/null | grep -c 127.0.0.1",
        {{"network", "none"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "lo\n1\n") << json::serialize(o);
    EXPECT_EQ(held_by(r, "network"), "network_namespace");
    EXPECT_EQ(o["isolation"].at("network").at("value"), "none");
}

TEST_F(process_setting, a_private_tmp_is_empty_ends_with_the_job_and_is_shared_by_its_steps) {
    NEED("tmp");
    const auto marker = concat("/tmp/sigrun-marker-", ::getpid());
    std::ofstream(marker) << "of the machine";
    const auto script = concat("test ! -e ", marker, " && echo mine > ", marker);
    json::object document{{"steps", {json::array{"sh", "-c", script}, json::array{"cat", marker}}},
                          {"isolation", {{"tmp", "private"}}}};
    auto r = begin(document);
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 0) << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_EQ(output(r), "mine\n");
    std::string kept;
    std::getline(std::ifstream(marker), kept);
    EXPECT_EQ(kept, "of the machine");
    std::filesystem::remove(marker);
}

TEST_F(process_setting, the_workspace_is_at_its_place_although_tmp_is_private) {
    NEED("tmp");
    auto r = apart("pwd; echo kept > result; ls /tmp | wc -l", {{"tmp", "private"}});
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    EXPECT_EQ(output(r), workspace_ + "\n1\n");
    EXPECT_TRUE(std::filesystem::exists(workspace_ + "/result"));
}

TEST_F(process_setting, in_a_pid_name_space_a_job_sees_its_own_processes_only) {
    NEED("processes");
    auto r =
        apart("ls /proc | grep -c '^[0-9]'; kill -0 " + std::to_string(::getpid()) + " 2>/dev/null && echo reached",
              {{"processes", "private"}});
    auto o = parsed(wait(r));
    // The keeper, the shell, ls and grep.
    EXPECT_EQ(output(r), "4\n") << json::serialize(o);
    EXPECT_EQ(held_by(r, "processes"), "pid_namespace");
}

TEST_F(process_setting, who_escapes_its_parents_in_a_pid_name_space_is_ended_with_the_job) {
    NEED("processes");
    auto r = apart("(setsid sh -c 'trap \"\" TERM; sleep 1000' &); echo up", {{"processes", "private"}});
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(process_setting, a_cancel_reaches_everybody_in_a_pid_name_space) {
    NEED("processes");
    auto r = apart(
        "(setsid sh -c 'trap \"\" TERM; sleep 1000' &); trap 'echo told; exit 0' TERM; echo up; while :; do sleep "
        "0.01; done",
        {{"processes", "private"}});
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 300 * k_ms), SIGRUN_OK);
    expect_end(wait(r), "cancelled", "cancelled");
    EXPECT_NE(output(r).find("told"), std::string::npos);  // TERM arrives as what it is
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(process_setting, processes_of_a_step_live_on_during_the_next_in_their_name_space) {
    NEED("processes");
    json::object document{{"steps",
                           {json::array{"sh", "-c", "sleep 1000 & echo $! > bg"},
                            json::array{"sh", "-c", "kill -0 $(cat bg) && echo alive"}}},
                          {"isolation", {{"processes", "private"}, {"ipc", "private"}, {"mounts", "private"}}}};
    auto r = begin(document);
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "alive\n") << json::serialize(o);
    EXPECT_EQ(o["isolation"].at("ipc").at("by"), "ipc_namespace");
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(process_setting, what_a_job_mounts_is_seen_by_nobody_else) {
    NEED("mounts");
    auto r = apart(
        concat("mkdir m && mount -t tmpfs none m && touch m/inside && grep -c ", workspace_, "/m /proc/self/mounts"),
        {{"mounts", "private"}});
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_EQ(output(r), "1\n");
    EXPECT_TRUE(std::filesystem::is_empty(workspace_ + "/m"));
}

TEST_F(process_setting, with_read_only_files_a_job_writes_to_its_workspace_and_to_what_the_runner_allows) {
    NEED("files");
    char folder[] = "/var/tmp/sigrun-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    start({{"writable", folder}});
    const auto script = concat(
        "echo a > inside; echo b > /dev/null; (echo c > /var/tmp/sigrun-outside) 2>/dev/null || echo refused; "
        "echo d > ",
        folder, "/ok && cat /etc/passwd > copy; cat inside");
    auto r = apart(script, {{"files", "read_only"}, {"writable", json::array{folder}}});
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "refused\na\n") << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_EQ(held_by(r, "files"), "landlock");
    EXPECT_TRUE(std::filesystem::exists(concat(folder, "/ok")));
    std::filesystem::remove_all(folder);

    r = apart("true", {{"files", "read_only"}, {"writable", json::array{"/etc"}}});
    expect_end(wait(r), "refused", "isolation");
}

TEST_F(process_setting, read_only_files_and_a_private_tmp_go_together) {
    NEED("files");
    NEED("tmp");
    auto r = apart("echo x > /tmp/mine && cat /tmp/mine; (echo y > /etc/sigrun-outside) 2>/dev/null || echo refused",
                   {{"files", "read_only"}, {"tmp", "private"}});
    wait(r);
    EXPECT_EQ(output(r), "x\nrefused\n") << output(r, SIGRUN_STREAM_STDERR);
}

TEST_F(process_setting, a_filter_refuses_calls_that_change_the_machine_and_lets_others_work) {
    NEED("syscalls");
    auto r = apart(
        "unshare -U true 2>/dev/null || echo no name space; mount -t tmpfs none . 2>/dev/null || echo no mount; "
        "grep -E '^Seccomp:' /proc/self/status; sh -c 'echo children work' | cat",
        {{"syscalls", "filtered"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "no name space\nno mount\nSeccomp:\t2\nchildren work\n") << json::serialize(o);
    EXPECT_EQ(held_by(r, "syscalls"), "seccomp");
}

TEST_F(process_setting, fixed_privileges_are_told_by_the_kernel) {
    auto r = apart("grep NoNewPrivs /proc/self/status", {{"privileges", "fixed"}});
    wait(r);
    EXPECT_EQ(output(r), "NoNewPrivs:\t1\n");
    EXPECT_EQ(held_by(r, "privileges"), "no_new_privs");
}

TEST_F(process_setting, everything_at_once) {
    for (const auto& row : sdk::k_job_isolation) NEED(row.name);
    json::object all;
    for (const auto& row : sdk::k_job_isolation) all[row.name] = row.on;
    auto r = apart("echo hello; echo $$", all);
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "hello\n2\n") << json::serialize(o);
    EXPECT_EQ(o["isolation"].as_object().size(), std::size(sdk::k_job_isolation));
}

TEST_F(process_setting, a_user_that_the_runner_does_not_allow_is_refused) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    auto r = begin({{"command", {"id", "-u"}}, {"user", "nobody"}});
    expect_end(wait(r), "refused", "user");
    r = begin({{"command", {"id", "-u"}}, {"user", "no-such-user"}});
    expect_end(wait(r), "user", "user");
}

TEST_F(process_setting, a_job_runs_as_the_user_that_it_names) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "nobody"}});
    const auto* nobody = ::getpwnam("nobody");
    ASSERT_NE(nobody, nullptr);
    auto r = begin({{"command",
                     {"sh", "-c",
                      "id -u; id -g; id -G; echo $USER $LOGNAME; echo mine > own && stat -c %u own; "
                      "grep NoNewPrivs /proc/self/status; test -r /etc/shadow || echo closed"}},
                    {"user", "nobody"}});
    auto o = parsed(wait(r));
    const auto uid = concat(nobody->pw_uid), gid = concat(nobody->pw_gid);
    EXPECT_EQ(output(r), concat(uid, "\n", gid, "\n", gid, "\nnobody nobody\n", uid, "\nNoNewPrivs:\t1\nclosed\n"))
        << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
    EXPECT_EQ(held_by(r, "user"), "setuid");
    struct stat about {};
    ASSERT_EQ(::stat(workspace_.c_str(), &about), 0);
    EXPECT_EQ(about.st_uid, nobody->pw_uid);
}

TEST_F(process_setting, the_way_to_a_relative_workdir_belongs_to_the_user) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "*"}});
    auto r =
        begin({{"command", {"sh", "-c", "echo x > file && stat -c %u file .."}}, {"workdir", "a/b"}, {"user", 65534}});
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "65534\n65534\n") << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
}

TEST_F(process_setting, a_workspace_that_a_user_cannot_reach_is_told_before_the_start) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "nobody"}});
    ASSERT_EQ(::chmod(workspace_.c_str(), 0700), 0);
    const auto outer = workspace_;
    workspace_ = outer + "/inner";
    ASSERT_EQ(::mkdir(workspace_.c_str(), 0700), 0);
    auto o = wait(begin({{"command", {"true"}}, {"user", "nobody"}}));
    workspace_ = outer;
    expect_end(o, "refused", "user");
    EXPECT_NE(o.text.find("is closed to it"), std::string::npos) << o.text;
}

TEST_F(process_setting, a_group_of_somebody_else_is_refused_unless_the_runner_allows_it) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "nobody"}, {"groups", "12345"}});
    auto r = begin({{"command", {"id", "-g"}}, {"user", "nobody:12345"}});
    wait(r);
    EXPECT_EQ(output(r), "12345\n");
    r = begin({{"command", {"id", "-g"}}, {"user", "nobody:12346"}});
    expect_end(wait(r), "refused", "user");
}

TEST_F(process_setting, another_user_has_the_same_isolation) {
    NEED("processes");
    NEED("files");
    start({{"users", "nobody"}});
    auto r = apart("id -u; echo $$; echo x > mine; (echo y > /tmp/sigrun-outside) 2>/dev/null || echo refused",
                   {{"processes", "private"}, {"files", "read_only"}, {"network", "none"}, {"syscalls", "filtered"}},
                   {{"user", "nobody"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(output(r), "65534\n2\nrefused\n") << json::serialize(o) << output(r, SIGRUN_STREAM_STDERR);
}

TEST_F(process_setting, a_job_at_a_terminal_sees_one_of_the_size_that_it_asked_for) {
    auto r =
        begin({{"command",
                {"sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty | grep -c ^/dev/ && stty size; echo $TERM"}},
               {"pty", {{"rows", 33}, {"columns", 111}}}});
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 0) << json::serialize(o);
    EXPECT_EQ(output(r), "1\n33 111\nxterm-256color\n");
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR), "");
}

TEST_F(process_setting, all_that_is_written_to_a_terminal_arrives_over_all_steps) {
    json::object document{
        {"steps",
         {json::array{"sh", "-c", "seq 1 20000; echo error >&2"}, json::array{"sh", "-c", "echo again; seq 1 20000"}}},
        {"pty", true}};
    auto r = begin(document);
    EXPECT_EQ(parsed(wait(r))["exit_code"], 0);
    std::string numbers;
    for (int i = 1; i <= 20000; ++i) numbers += concat(i, "\n");
    EXPECT_TRUE(output(r) == concat(numbers, "error\nagain\n", numbers)) << output(r).size();
}

TEST_F(process_setting, a_cancel_at_a_terminal_leaves_nobody) {
    auto r =
        begin({{"command",
                {"bash", "-c",
                 "set -m; sleep 1000 & (setsid sleep 1000 &); trap '' TERM HUP; echo up; while :; do sleep 1; done"}},
               {"pty", true}});
    wait_output(r, "up");
    EXPECT_EQ(table_->cancel(instance_, r.op, 100 * k_ms), SIGRUN_OK);
    expect_end(wait(r), "cancelled", "cancelled");
    EXPECT_EQ(processes_with(r.token), std::vector<pid_t>{});
}

TEST_F(process_setting, another_user_can_open_the_terminal_of_its_job) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root runs jobs as another user";
    start({{"users", "nobody"}});
    auto r = begin({{"command", {"sh", "-c", "echo to the terminal > $(tty)"}}, {"pty", true}, {"user", "nobody"}});
    wait(r);
    EXPECT_EQ(output(r), "to the terminal\n");
}

// The plan for a machine that can do nothing of it.
TEST(setting_plan, what_cannot_be_held_is_refused_or_told) {
    process::isolation_means none;
    none.network = none.files = "not here";
    sdk::job_setting wanted;
    wanted.isolation.network = wanted.isolation.privileges = true;
    auto plan = process::plan_setting(wanted, none, {});
    EXPECT_NE(plan.refusal.find("isolation.network = none: not here"), std::string::npos) << plan.refusal;
    wanted.isolation.required = false;
    plan = process::plan_setting(wanted, none, {});
    EXPECT_EQ(plan.refusal, "");
    EXPECT_EQ(plan.shim.what, static_cast<std::uint32_t>(SIGRUN_SHIM_NO_NEW_PRIVS));
    EXPECT_EQ(
        process::to_json(plan.held),
        R"({"network":{"value":"none","by":"none","why":"not here"},"privileges":{"value":"fixed","by":"no_new_privs"}})");
}

TEST(setting_plan, a_writable_path_is_one_below_an_allowed_folder) {
    process::isolation_means all;
    sdk::job_setting wanted;
    wanted.isolation.files = true;
    wanted.isolation.writable = {"/usr/bin"};
    EXPECT_NO_THROW(process::plan_setting(wanted, all, {"/usr"}));
    EXPECT_THROW(process::plan_setting(wanted, all, {"/us"}), process::setting_refused);
    EXPECT_THROW(process::plan_setting(wanted, all, {}), process::setting_refused);
    wanted.isolation.writable = {"/usr/not-there"};
    EXPECT_THROW(process::plan_setting(wanted, all, {"/usr"}), process::setting_refused);
}

}  // namespace
}  // namespace sigrun::process_test
