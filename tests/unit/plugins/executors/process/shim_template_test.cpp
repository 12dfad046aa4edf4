// Shims begin as copies of one that waits; and jobs run also where that is killed, stopped or asked by many at once.
#include "executor_rig.hpp"

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace sigrun::process_test {
namespace {

class process_template : public executor_rig {
protected:
    static std::string file(const std::string& path) {
        std::ifstream in(path);
        std::ostringstream all;
        all << in.rdbuf();  // what can be read: the process may end meanwhile
        return all.str();
    }
    static pid_t parent_of(pid_t pid) {
        auto stat = file(concat("/proc/", pid, "/stat"));
        auto close = stat.rfind(')');
        return close == std::string::npos ? 0 : std::stoi(stat.substr(close + 4));
    }
    // Of this process: living, and not a shim.
    static std::vector<pid_t> templates() {
        std::vector<pid_t> found;
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            pid_t pid = std::atoi(entry.path().filename().c_str());
            if (pid <= 0 || parent_of(pid) != ::getpid()) continue;
            if (file(concat("/proc/", pid, "/cmdline")).starts_with(std::string("sigrun-shim\0template", 20)))
                found.push_back(pid);
        }
        return found;
    }
    void expect_runs(std::string_view text) {
        auto r = shell(concat("echo ", text));
        EXPECT_EQ(wait(r).result, SIGRUN_OK);
        EXPECT_EQ(output(r), concat(text, "\n"));
    }
};

TEST_F(process_template, a_shim_is_a_child_of_the_runner_and_shows_its_job) {
    EXPECT_TRUE(templates().empty());  // none before the first job
    auto r =
        shell("echo $PPID; read _ < /dev/null; tr '\\0' ' ' < /proc/$PPID/cmdline; cut -d' ' -f4 /proc/$PPID/stat");
    ASSERT_EQ(wait(r).result, SIGRUN_OK);
    auto said = output(r);
    EXPECT_NE(said.find("sigrun-shim 018f-job/3 "), std::string::npos) << said;
    EXPECT_TRUE(said.ends_with(concat(::getpid(), "\n"))) << said;
    auto one = templates();
    ASSERT_EQ(one.size(), 1u);
    EXPECT_NE(std::stoi(said), one[0]);
    expect_runs("again");
    EXPECT_EQ(templates(), one);
}

TEST_F(process_template, it_ends_with_the_executor) {
    expect_runs("hello");
    ASSERT_EQ(templates().size(), 1u);
    host_.destroy(instance_);
    instance_ = nullptr;
    EXPECT_TRUE(templates().empty());
}

TEST_F(process_template, jobs_go_on_when_it_is_killed_and_the_next_has_another) {
    auto lasting = shell("echo up; sleep 1000");
    wait_output(lasting, "up");
    auto before = templates();
    ASSERT_EQ(before.size(), 1u);
    ASSERT_EQ(::kill(before[0], SIGKILL), 0);
    ASSERT_TRUE(
        eventually([&] { return file(concat("/proc/", before[0], "/stat")).find(") Z") != std::string::npos; }));
    expect_runs("without");
    expect_runs("with");
    auto after = templates();
    ASSERT_EQ(after.size(), 1u);
    EXPECT_NE(after, before);
    EXPECT_EQ(table_->cancel(instance_, lasting.op, 0), SIGRUN_OK);
    EXPECT_EQ(wait(lasting).result, SIGRUN_E_CANCELLED);
}

TEST_F(process_template, a_stopped_one_is_given_up) {
    expect_runs("hello");
    auto before = templates();
    ASSERT_EQ(before.size(), 1u);
    ASSERT_EQ(::kill(before[0], SIGSTOP), 0);
    expect_runs("late");
    EXPECT_TRUE(templates().empty());
    expect_runs("soon");
    EXPECT_EQ(templates().size(), 1u);
}

TEST_F(process_template, many_threads_ask_at_once) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([this, t] {
            for (int i = 0; i < 10; ++i) expect_runs(concat("thread ", t, " job ", i));
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(templates().size(), 1u);
}

TEST_F(process_template, a_folder_of_path_that_no_file_can_have_is_passed_over) {
    auto r = begin({{"command", {"true"}}, {"env", {{"PATH", concat("/", std::string(5000, 'a'), ":/usr/bin:/bin")}}}});
    EXPECT_EQ(wait(r).result, SIGRUN_OK);
    r = begin({{"command", {"true"}}, {"env", {{"PATH", concat("/", std::string(5000, 'a'))}}}});
    auto o = wait(r);
    EXPECT_EQ(parsed(o)["code"], "not_found") << o.text;
}

}  // namespace
}  // namespace sigrun::process_test
