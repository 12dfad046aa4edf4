// Probation and swap back, plugins that come and go, pins, and code that stays mapped.
#include "kernel/plugin/probation.hpp"
#include "kernel/plugin/stage.hpp"
#include "running_host.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sigrun {
namespace {

using namespace testing;
using kind = plugin_event::kind;
using namespace std::chrono_literals;

// -- the judge

TEST(probation_judge, says_nothing_before_it_has_seen_enough) {
    probation_judge judge({1000, 0}, {5, 5});
    EXPECT_EQ(judge.look({24, 24}), "");
    EXPECT_NE(judge.look({25, 25}), "");
}

TEST(probation_judge, compares_with_what_was_usual_before) {
    probation_judge judge({100, 50}, {});
    EXPECT_EQ(judge.look({20, 14}), "") << "14 of 20, and 10 of 20 before";
    EXPECT_NE(judge.look({40, 29}), "") << "15 of the next 20";
}

TEST(probation_judge, what_fails_over_the_old_generation_too_is_no_fault_of_the_new_one) {
    probation_judge judge({100, 0}, {});
    EXPECT_EQ(judge.look({20, 15}, {140, 30}), "");
    EXPECT_NE(judge.look({40, 35}, {145, 30}), "") << "all of its calls fail, and not so many of the old one's";
    probation_judge few({100, 0}, {});
    EXPECT_NE(few.look({20, 15}, {103, 3}), "") << "three calls are no evidence";
}

TEST(probation_judge, sees_what_goes_bad_late) {
    probation_judge judge({100, 0}, {});
    EXPECT_EQ(judge.look({100'000, 3}), "");
    EXPECT_EQ(judge.look({100'020, 23}), "20 of its last 20 calls failed (100 %; usual is 0 %)");
}

TEST(probation_judge, a_few_failures_are_no_trouble) {
    probation_judge judge({}, {});
    for (std::uint64_t n = 20, bad = 4; n < 1000; n += 20, bad += 4) EXPECT_EQ(judge.look({n, bad}), "");
}

// -- probation

TEST(probation, the_old_one_is_kept_warm_and_let_go_when_the_time_is_over) {
    running_host r({.probation = 300ms});
    r.folder.add("plain_v2", "plain");
    auto done = r.reload();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(done->probation, nanoseconds(300ms));
    EXPECT_EQ(r.info().state, plugin_state::probation);
    ASSERT_EQ(r.info().retiring.size(), 1u);
    EXPECT_EQ(r.info().retiring[0].state, plugin_state::warm);
    EXPECT_EQ(r.settled, 0);
    EXPECT_TRUE(r.wait_until_old_is_gone());
    EXPECT_EQ(r.info().state, plugin_state::active);
    EXPECT_EQ(r.settled, 1);
    EXPECT_EQ(r.told(kind::probation), 1u);
    EXPECT_EQ(r.told(kind::replaced), 1u);
    EXPECT_TRUE(r.wait_until([&] { return r.told(kind::retired) == 1; }));
}

TEST(probation, who_fails_gives_the_work_back_and_its_file_is_not_tried_again_unasked) {
    running_host r({.probation = 1h});
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(r.call());
    r.folder.add("goes_bad", "plain");
    ASSERT_TRUE(r.reload());
    ASSERT_EQ(r.number(), 2u);
    std::size_t failed = 0;
    ASSERT_TRUE(r.wait_until([&] {
        if (r.number() == 2) failed += !r.call();
        return r.told(kind::swapped_back) == 1;
    }));
    EXPECT_GE(failed, probation_judge::k_failures);
    EXPECT_EQ(r.number(), 1u);
    EXPECT_EQ(r.swaps, 2);
    const auto info = r.info();
    EXPECT_EQ(info.version, "1.0.0");
    EXPECT_EQ(info.state, plugin_state::active);
    EXPECT_NE(info.reason.find("swapped back from 2.0.0: "), std::string::npos) << info.reason;
    ASSERT_TRUE(info.newest);
    EXPECT_EQ(info.newest->state, plugin_state::rejected);
    EXPECT_TRUE(r.wait_until_old_is_gone());
    EXPECT_TRUE(r.call());
    auto unasked = r.reload("plain", {.automatic = true});
    ASSERT_TRUE(unasked);
    EXPECT_FALSE(unasked->changed);
    EXPECT_EQ(r.number(), 1u);
    EXPECT_TRUE(r.reload()) << "asked for by name it gets another chance";
    EXPECT_EQ(r.number(), 2u);
}

TEST(probation, another_replacement_settles_the_one_before) {
    running_host r({.probation = 1h});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    r.folder.add("plain", "plain");
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.settled, 1);
    EXPECT_TRUE(r.wait_until([&] { return r.info().retiring.size() == 1; })) << "only the last one is warm";
}

TEST(probation, it_can_be_ended_or_left_out) {
    running_host r({.probation = 1h});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    auto done = r.reload("plain", {.probation = false});
    ASSERT_TRUE(done);
    EXPECT_FALSE(done->changed);
    EXPECT_TRUE(done->probation_ended);
    EXPECT_TRUE(r.wait_until_old_is_gone());
    r.folder.add("plain", "plain");
    ASSERT_TRUE(r.reload("plain", {.probation = false}));
    EXPECT_TRUE(r.wait_until_old_is_gone());
    EXPECT_EQ(r.told(kind::probation), 1u);
}

TEST(probation, a_shutdown_in_the_middle_leaves_nothing_behind) {
    running_host r({.probation = 1h});
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    r.host->shutdown();
    EXPECT_EQ(r.mapped("test.plain-g"), 0u);
}

TEST(replacement, two_reloads_at_once_are_done_one_after_the_other) {
    running_host r;
    r.folder.add("plain_v2", "plain");
    std::promise<result<reload_report>> first, second;
    r.host->reload("plain", [&](result<reload_report> x) { first.set_value(std::move(x)); });
    r.host->reload("plain", [&](result<reload_report> x) { second.set_value(std::move(x)); });
    auto one = first.get_future().get(), two = second.get_future().get();
    ASSERT_TRUE(one);
    ASSERT_TRUE(two);
    EXPECT_TRUE(one->changed);
    EXPECT_FALSE(two->changed);
}

// -- coming and going

TEST(addition, a_new_file_is_taken_by_its_name) {
    running_host r;
    EXPECT_EQ(r.reload("other").error().code, errc::not_found);
    r.folder.add("other");
    auto done = r.reload("other");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(done->old_version, "");
    EXPECT_EQ(done->new_version, "1.0.0");
    EXPECT_EQ(r.added, 1);
    EXPECT_TRUE(r.host->find(SIGRUN_KIND_PROBE, "other"));
    EXPECT_EQ(r.told(kind::loaded, "test.other"), 1u);
}

TEST(addition, it_gets_its_configured_instance) {
    running_host r({.config = ini("[instance plain-fast]\ncomponent = plain:plain\nthreads = 9\n")});
    r.remove("plain", true).value();
    r.folder.add("plain");
    ASSERT_TRUE(r.reload("plain"));
    EXPECT_TRUE(r.host->find(SIGRUN_KIND_PROBE, "plain-fast"));
    EXPECT_EQ(r.host->instances(SIGRUN_KIND_PROBE).size(), 1u);
}

TEST(addition, a_bad_new_file_is_shown_with_its_reason_and_a_better_one_is_taken) {
    running_host r;
    r.folder.add("start_fails", "other");
    auto done = r.reload("other");
    ASSERT_FALSE(done);
    EXPECT_EQ(r.info("other").state, plugin_state::rejected);
    EXPECT_FALSE(r.reload("other")) << "the id is in use, whatever the file is called";
    r.folder.add("other");
    ASSERT_TRUE(r.reload("other"));
    EXPECT_EQ(r.info("other").state, plugin_state::active);
    EXPECT_EQ(r.info("other").reason, "");
}

TEST(removal, the_plugin_ends_and_its_file_is_out_of_sight) {
    running_host r;
    auto held = r.host->find(SIGRUN_KIND_PROBE, "plain");
    auto aside = r.remove();
    ASSERT_TRUE(aside) << aside.error().text();
    EXPECT_EQ(fs::path(*aside).filename(), ".plain.so.removed");
    EXPECT_TRUE(fs::exists(*aside));
    EXPECT_FALSE(fs::exists(r.folder.plugins() / "plain.so"));
    EXPECT_EQ(r.host->find(SIGRUN_KIND_PROBE, "plain"), nullptr);
    EXPECT_EQ(r.info().state, plugin_state::draining);
    held.reset();
    EXPECT_TRUE(r.wait_until([&] { return r.host->plugins().empty(); }));
    EXPECT_EQ(r.remove().error().code, errc::not_found);
    r.folder.add("plain_v2", "plain");
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.number(), 2u);
}

TEST(removal, what_the_configuration_names_stays_unless_forced) {
    running_host r({.config = ini("[instance plain]\nthreads = 9\n")});
    auto refused = r.remove();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("[instance plain] (test.ini:1)"), std::string::npos)
        << refused.error().text();
    EXPECT_EQ(r.number(), 1u);
    EXPECT_TRUE(r.remove("plain", true));
}

// -- pins

TEST(pinned, neither_a_reload_nor_a_restart_changes_it) {
    running_host r;
    ASSERT_TRUE(r.pin());
    EXPECT_TRUE(r.info().pinned);
    r.folder.add("plain_v2", "plain");
    auto done = r.reload();
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text().find("pinned"), std::string::npos);
    EXPECT_EQ(r.number(), 1u);
    r.restart();
    EXPECT_EQ(r.number(), 1u);
    EXPECT_TRUE(r.info().pinned);
    ASSERT_TRUE(r.info().newest);
    EXPECT_EQ(r.info().newest->version, "2.0.0");
    ASSERT_TRUE(r.pin(false));
    ASSERT_TRUE(r.reload());
    EXPECT_EQ(r.number(), 2u);
    r.restart();
    EXPECT_EQ(r.number(), 2u);
}

// -- code that stays mapped

TEST(unloading, never_keeps_the_code_and_says_so_until_there_is_no_room) {
    running_host r({.with_trial = false});
    r.folder.add("stays");
    r.restart({.with_trial = false, .config = ini("[plugin stays]\nunload = never\n")});
    for (std::size_t i = 0; i < 16; ++i) {
        r.folder.add(i % 2 ? "stays" : "stays_v2", "stays");
        auto done = r.reload("stays");
        ASSERT_TRUE(done) << done.error().text();
        ASSERT_TRUE(r.wait_until([&] {
            const auto old = r.info("stays").retiring;
            return old.size() == i + 1 && old.front().state == plugin_state::retired;
        })) << i;
    }
    EXPECT_EQ(r.info("stays").retiring[0].holds, std::vector<std::string>{"unload = never"});
    r.folder.add("stays_v2", "stays");
    auto done = r.reload("stays");
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text().find("restart"), std::string::npos) << done.error().text();
}

// -- the folder for copies

// In a process with mounts of its own; its exit code, 77 where that is not allowed.
int in_a_folder_that_is_noexec(const std::string& at, bool (*right)(const std::string&)) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", at.c_str(), "tmpfs", MS_NOEXEC, nullptr) != 0)
            ::_exit(77);
        ::_exit(right(at) ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(stage, refuses_a_file_system_on_which_nothing_may_run) {
    plugin_folder folder;
    const auto refused = [](const std::string& state) {
        auto opened = stage::open(state);
        return !opened && opened.error().field == "state-dir" &&
               opened.error().text().find("noexec") != std::string::npos;
    };
    const int outcome = in_a_folder_that_is_noexec(folder.plugins().string(), refused);
    if (outcome == 77) GTEST_SKIP() << "mounting is not allowed here";
    EXPECT_EQ(outcome, 0);
}

}  // namespace
}  // namespace sigrun
