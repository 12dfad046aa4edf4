// Limits of a job as the kernel holds them, and how an attempt that came to one is told.
//
// Limits of memory, processes and processor time need cgroup controllers: where this process may use none, those tests say so
// and are skipped.
#include "controller_groups.hpp"
#include "executor_rig.hpp"

#include <sys/mount.h>

namespace sigrun::process_test {
namespace {

class process_limits : public executor_rig {
protected:
    running limited(std::string_view script, const json::object& limits) {
        return begin({{"command", {"sh", "-c", script}}, {"limits", limits}});
    }
    /// How each limit was held, as it was said when the job ran.
    static json::object said(const running& r) {
        for (const auto& f : r.sink->frames())
            if (f.kind == SIGRUN_STATE)
                if (auto o = json::parse(f.json).as_object(); o.contains("limits")) return o["limits"].as_object();
        return {};
    }
    static std::string failure_of(const json::object& o) {
        return concat(std::string_view(o.at("class").as_string()), "/", std::string_view(o.at("code").as_string()));
    }
    static std::string message_of(const json::object& o) { return std::string(o.at("message").as_string()); }
    static std::string why_no_controller(std::uint32_t which) {
        return process::controller_groups(true).why_not(which);
    }
    static bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
    static std::vector<std::string> groups_left() {
        std::vector<std::string> found;
        std::error_code ec;
        for (const char* top : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"})
            for (const auto& e : std::filesystem::recursive_directory_iterator(
                     top, std::filesystem::directory_options::skip_permission_denied, ec))
                if (says(e.path().filename().string(), concat("sigrun-limits-", ::getpid(), "-")))
                    found.push_back(e.path().string());
        return found;
    }
};

TEST_F(process_limits, limits_of_each_process_are_put_on_it) {
    auto r = limited("ulimit -n; ulimit -c; ulimit -f", {{"open_files", 77}, {"core", 0}, {"file_size", "1MiB"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(o["exit_code"], 0) << json::serialize(o);
    EXPECT_EQ(output(r), "77\n0\n2048\n");
    for (auto name : {"open_files", "core", "file_size"}) EXPECT_EQ(said(r)[name].at("by"), "rlimit");
    EXPECT_EQ(o["limits"], said(r));
}

TEST_F(process_limits, a_job_without_limits_says_none) {
    auto r = shell("true");
    auto o = parsed(wait(r));
    EXPECT_FALSE(o.contains("limits"));
    EXPECT_TRUE(said(r).empty());
}

TEST_F(process_limits, a_file_that_became_too_large_is_named) {
    auto o = parsed(wait(begin(
        {{"command", {"dd", "if=/dev/zero", "of=big", "bs=64k", "count=64"}}, {"limits", {{"file_size", "1MiB"}}}})));
    EXPECT_EQ(failure_of(o), "resource/file_size");
    EXPECT_TRUE(says(message_of(o), "limits.file_size is 1.0 MiB")) << message_of(o);
}

TEST_F(process_limits, lack_of_memory_is_told_with_limit_and_peak) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_MEMORY); !why.empty()) GTEST_SKIP() << why;
    auto r = limited("exec dd if=/dev/zero of=/dev/null bs=200M count=1", {{"memory", "24MiB"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(failure_of(o), "resource/oom") << json::serialize(o);
    EXPECT_TRUE(says(message_of(o), "limits.memory is 24.0 MiB")) << message_of(o);
    EXPECT_TRUE(says(message_of(o), "peak 24.0 MiB")) << message_of(o);
    EXPECT_EQ(o["signal"], 9);
    EXPECT_EQ(o["usage"].as_object()["oom_kills"], 1);
    EXPECT_TRUE(says(std::string(said(r)["memory"].at("by").as_string()), "cgroup_v"));
    EXPECT_TRUE(eventually([] { return groups_left().empty(); }));
}

TEST_F(process_limits, a_child_that_was_killed_for_memory_is_the_reason_for_the_failure_of_its_parent) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_MEMORY); !why.empty()) GTEST_SKIP() << why;
    auto o = parsed(wait(limited("dd if=/dev/zero of=/dev/null bs=200M count=1; exit 3", {{"memory", "24MiB"}})));
    EXPECT_EQ(failure_of(o), "resource/oom") << json::serialize(o);
    EXPECT_EQ(o["exit_code"], 3);
    // And one that the job gets over is none.
    o = parsed(wait(limited("dd if=/dev/zero of=/dev/null bs=200M count=1; exit 0", {{"memory", "24MiB"}})));
    EXPECT_EQ(o["exit_code"], 0);
    EXPECT_FALSE(o.contains("class")) << json::serialize(o);
}

TEST_F(process_limits, what_one_step_got_over_is_no_reason_for_the_failure_of_the_next) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_MEMORY); !why.empty()) GTEST_SKIP() << why;
    json::array steps{json::array{"sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1; exit 0"},
                      json::array{"sh", "-c", "exit 5"}};
    auto o = parsed(wait(begin({{"steps", steps}, {"limits", {{"memory", "24MiB"}}}})));
    EXPECT_EQ(o["exit_code"], 5);
    EXPECT_FALSE(o.contains("class")) << json::serialize(o);
}

TEST_F(process_limits, counters_begin_anew_with_each_attempt) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_MEMORY); !why.empty()) GTEST_SKIP() << why;
    parsed(wait(limited("exec dd if=/dev/zero of=/dev/null bs=200M count=1", {{"memory", "24MiB"}})));
    auto o = parsed(wait(limited("exit 4", {{"memory", "24MiB"}})));
    EXPECT_FALSE(o.contains("class")) << json::serialize(o);
    EXPECT_EQ(o["exit_code"], 4);
    EXPECT_LT(o["usage"].as_object()["memory_peak_bytes"].to_number<std::uint64_t>(), 20u << 20);
}

TEST_F(process_limits, forks_beyond_the_limit_are_refused_and_told) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_PIDS); !why.empty()) GTEST_SKIP() << why;
    auto o = parsed(wait(limited("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait", {{"pids", 4}})));
    EXPECT_EQ(failure_of(o), "resource/pids") << json::serialize(o);
    EXPECT_TRUE(says(message_of(o), "peak 4, limits.pids is 4")) << message_of(o);
    EXPECT_TRUE(eventually([] { return groups_left().empty(); }));
}

TEST_F(process_limits, processor_time_is_shared_out) {
    if (auto why = why_no_controller(SIGRUN_SHIM_BY_CPUS); !why.empty()) GTEST_SKIP() << why;
    auto r = limited("timeout 1 sh -c 'while :; do :; done'; exit 0", {{"cpus", 0.1}});
    auto o = parsed(wait(r));
    ASSERT_TRUE(o.contains("usage")) << json::serialize(o);
    auto usage = o["usage"].as_object();
    auto cpu_ms = usage["user_ms"].to_number<int>() + usage["system_ms"].to_number<int>();
    EXPECT_GT(cpu_ms, 10);
    EXPECT_LT(cpu_ms, 350);  // of at least 1000
    EXPECT_EQ(said(r)["cpus"].at("limit"), 0.1);
}

TEST_F(process_limits, a_workspace_over_its_limit_ends_the_job) {
    auto r = limited("head -c 3M /dev/zero > big; sleep 60", {{"workspace", "1MiB"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(failure_of(o), "resource/disk") << json::serialize(o);
    EXPECT_TRUE(says(message_of(o), "MiB, limits.workspace is 1.0 MiB"))
        << message_of(o);  // seen at 3, or on its way there
    EXPECT_EQ(said(r)["workspace"].at("by"), "watch");
}

TEST_F(process_limits, a_workspace_below_its_limit_is_only_measured) {
    auto o = parsed(wait(limited("head -c 300k /dev/zero > a; ln a b; ln -s / c; exit 6", {{"workspace", "1MiB"}})));
    EXPECT_EQ(o["exit_code"], 6);
    EXPECT_FALSE(o.contains("class")) << json::serialize(o);
    auto used = o["usage"].as_object()["workspace_peak_bytes"].to_number<std::uint64_t>();
    EXPECT_GE(used, 300u << 10);
    EXPECT_LT(used, 500u << 10);  // a file with two names counts once, a link not at all
}

TEST_F(process_limits, a_failure_on_a_full_disk_is_told_as_that) {
    auto disk = workspace_ + "/disk";
    std::filesystem::create_directory(disk);
    if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "cannot mount: " << strerror(errno);
    auto o = parsed(wait(begin({{"command", {"sh", "-c", "head -c 2M /dev/zero > big"}}, {"workdir", disk}})));
    ::umount(disk.c_str());
    EXPECT_EQ(failure_of(o), "resource/disk") << json::serialize(o);
    EXPECT_TRUE(says(message_of(o), "the disk it worked on is full: 0 B free")) << message_of(o);
    EXPECT_EQ(o["exit_code"], 1);
}

TEST_F(process_limits, without_cgroups_memory_is_held_for_each_process_and_nothing_is_guessed) {
    start({{"kill_grace", "200ms"}, {"cgroups", "off"}});
    auto r = limited("dd if=/dev/zero of=/dev/null bs=200M count=1", {{"memory", "48MiB"}, {"cpus", 2}});
    auto o = parsed(wait(r));
    EXPECT_FALSE(o.contains("class")) << json::serialize(o);
    EXPECT_EQ(o["exit_code"], 1);
    EXPECT_TRUE(says(message_of(o), "limits.memory is 48.0 MiB of address space for each process")) << message_of(o);
    EXPECT_EQ(said(r)["memory"].at("by"), "rlimit");
    EXPECT_TRUE(says(std::string(said(r)["memory"].at("why").as_string()), "cgroups are switched off"));
    EXPECT_EQ(said(r)["cpus"].at("by"), "none");
}

TEST_F(process_limits, a_kill_that_nobody_of_ours_sent_is_not_explained) {
    auto o = parsed(wait(shell("kill -KILL $$")));
    EXPECT_FALSE(o.contains("class"));
    EXPECT_EQ(message_of(o), "the command was killed by signal 9 (Killed), which Sigrun did not send");
}

TEST_F(process_limits, a_job_that_requires_its_limits_is_refused_where_they_cannot_be_held) {
    start({{"cgroups", "off"}});
    auto r = limited("true", {{"memory", "48MiB"}, {"enforce", "required"}});
    auto o = parsed(wait(r));
    EXPECT_EQ(failure_of(o), "refused/limits");
    EXPECT_TRUE(says(message_of(o), "cannot hold the job to limits.memory")) << message_of(o);
    // Those that hold without any are no reason.
    o = parsed(wait(limited("true", {{"open_files", 64}, {"workspace", "1GiB"}, {"enforce", "required"}})));
    EXPECT_EQ(o["exit_code"], 0);
}

TEST_F(process_limits, a_command_that_does_not_fit_into_its_memory_is_told) {
    start({{"cgroups", "off"}});
    auto o = parsed(wait(begin({{"command", {"sleep", "0"}}, {"limits", {{"memory", "1MiB"}}}})));
    // The kernel refuses it, or its loader does when it runs.
    EXPECT_NE(o["exit_code"], 0);
    EXPECT_TRUE(says(message_of(o), "limits.memory")) << message_of(o);
}

TEST_F(process_limits, a_wrong_limit_is_the_fault_of_the_document) {
    auto o = parsed(wait(limited("true", {{"memory", "lots"}})));
    EXPECT_EQ(failure_of(o), "user/invalid");
    EXPECT_TRUE(says(message_of(o), "limits.memory: expected a size")) << message_of(o);
}

}  // namespace
}  // namespace sigrun::process_test
