// What a trial finds out, how long it may take, and that nothing is left of it.
#include "kernel/plugin/trial.hpp"

#include "kernel/plugin/first_trials.hpp"
#include "plugin_folder.hpp"

#include <chrono>
#include <fstream>
#include <thread>

namespace sigrun {
namespace {

using namespace testing;
using namespace std::chrono_literals;

struct trial_of {
    plugin_folder folder;
    fs::path scratch = folder.plugins() / "scratch";
    trial_setting setting{SIGRUN_BUILD_DIR "/bin/sigrund", scratch.string()};

    trial_of() { fs::create_directories(scratch); }
    result<void> run(const char* fixture, trial_limits limits = {}) {
        setting.limits = limits;
        return try_plugin(content_of(fixture_plugin(fixture)), setting);
    }
    /// Processes of trials that were begun here.
    std::size_t processes() const {
        std::size_t n = 0;
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
            std::ifstream in(entry.path() / "cmdline", std::ios::binary);
            std::string line;
            std::getline(in, line);
            n += line.find(scratch.string()) != std::string::npos;
        }
        return n;
    }
};

TEST(trial, of_a_good_plugin_tells_the_kinds_of_its_components_and_leaves_nothing) {
    trial_of t;
    std::vector<std::string> kinds;
    ASSERT_TRUE(try_plugin(content_of(fixture_plugin("plain")), t.setting, &kinds));
    EXPECT_EQ(kinds, std::vector<std::string>{SIGRUN_KIND_PROBE});
    EXPECT_TRUE(fs::is_empty(t.scratch));
    EXPECT_EQ(t.processes(), 0u);
}

TEST(trial, ends_what_works_all_the_time_by_the_processor_time_it_took) {
    trial_of t;
    auto tried = t.run("spins", {500ms, 60s});
    ASSERT_FALSE(tried);
    EXPECT_EQ(tried.error().code, errc::timeout);
    EXPECT_EQ(tried.error().message, "it did not get through its trial in 500ms of processor time");
    EXPECT_EQ(t.processes(), 0u);
}

TEST(trial, ends_what_sleeps_by_the_clock) {
    trial_of t;
    auto tried = t.run("hangs", {60s, 1500ms});
    ASSERT_FALSE(tried);
    EXPECT_EQ(tried.error().code, errc::timeout);
    EXPECT_EQ(tried.error().message, "it did not get through its trial in 1s500ms");
    EXPECT_EQ(t.processes(), 0u);
}

TEST(trial, does_not_count_the_time_in_which_the_plugin_does_nothing_as_its_work) {
    trial_of t;
    auto tried = t.run("slow", {900ms, 60s});  // as on a machine that has no time for it: a second goes by
    EXPECT_TRUE(tried) << tried.error().text();
}

TEST(trial, ends_at_once_when_it_is_given_up) {
    trial_of t;
    std::atomic<bool> give_up{false};
    t.setting.give_up = &give_up;
    std::jthread later([&] {
        while (!t.processes()) std::this_thread::sleep_for(1ms);
        give_up = true;
    });
    const auto before = std::chrono::steady_clock::now();
    auto tried = t.run("hangs", {60s, 60s});
    ASSERT_FALSE(tried);
    EXPECT_EQ(tried.error().code, errc::unavailable);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 30s);
    EXPECT_EQ(t.processes(), 0u);
}

TEST(trial, leaves_no_process_of_a_plugin_that_forks) {
    for (const char* fixture : {"forks_away", "forks_and_crashes"}) {
        trial_of t;
        auto tried = t.run(fixture);
        ASSERT_FALSE(tried) << fixture;
        EXPECT_EQ(tried.error().message, std::string_view(fixture) == "forks_away"
                                             ? "it left a process behind in its trial"
                                             : "it crashed in its trial: Aborted");
        for (int i = 0; i < 2000 && t.processes(); ++i) std::this_thread::sleep_for(1ms);
        EXPECT_EQ(t.processes(), 0u) << fixture;
    }
}

TEST(trial, is_told_to_the_plugin_and_only_there) {
    trial_of t;
    auto tried = t.run("only_in_trials");
    EXPECT_TRUE(tried) << tried.error().text();
    t.folder.add("only_in_trials");
    metrics numbers;
    plugin_host host(t.folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    const auto all = host.plugins();
    EXPECT_FALSE(info_of(all, "only_in_trials")->active);
}

TEST(trial, without_a_place_or_a_program_is_not_the_plugins_fault) {
    trial_of t;
    t.setting.program = "/nowhere/sigrund";
    EXPECT_EQ(t.run("plain").error().code, errc::io);
    t.setting.scratch = "/nowhere";
    EXPECT_EQ(t.run("plain").error().code, errc::io);
}

TEST(first_trials, remembers_who_passed_and_forgets_all_when_they_are_too_many) {
    trial_of t;
    const std::string state = t.scratch.string(), memory = state + "/tried-plugins";
    fs::create_directories(state + "/stage");
    const auto good = content_of(fixture_plugin("plain")), bad = content_of(fixture_plugin("crashes"));
    {
        first_trials trials(state, t.setting.program, {});
        EXPECT_TRUE(trials.pass(good));
        EXPECT_FALSE(trials.pass(bad));
    }
    {
        first_trials trials(state, "/nowhere/sigrund", {});
        EXPECT_TRUE(trials.pass(good)) << "without a trial";
    }
    {
        std::ofstream out(memory, std::ios::app);
        for (int i = 0; i < 1000; ++i) {
            auto hash = std::to_string(i);
            out << std::string(64 - hash.size(), '0') << hash << "\n";
        }
    }
    first_trials trials(state, t.setting.program, {});
    EXPECT_FALSE(fs::exists(memory));
    EXPECT_TRUE(trials.pass(good));
    EXPECT_EQ(fs::file_size(memory), 65u);
}

}  // namespace
}  // namespace sigrun
