// Probes that run in processes of their own, and whatever they may do there.
#include "tests/unit/kernel/capability/detector_rig.hpp"
#include "tests/unit/kernel/capability/process_census.hpp"

#include <fstream>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIGRUN_SANITIZED
#endif

namespace sigrun {
namespace {

using namespace std::chrono_literals;

std::string isolated(const std::string& name, const std::string& settings) {
    return unruly(name, "isolated = yes\n" + settings);
}
const std::string k_calm = unruly("calm", "keys = custom.calm\nfacts = [" + fact_text("custom.calm", "1") + "]");

// A probe "wild" with the keys custom.wild.*, beside one that does nothing wrong.
std::string wild(const std::string& mode, const std::string& more = "") {
    return k_calm + isolated("wild", "mode = " + mode + "\nkeys = custom.wild.*\nfacts = [" +
                                         fact_text("custom.wild.early", "1") + "]\n" + more);
}

const fact& at(const capability_ptr& facts, std::string_view key) {
    const fact* f = facts->find(key);
    if (!f) throw std::runtime_error("no fact " + std::string(key));
    return *f;
}

TEST(isolated_probe, runs_elsewhere_with_the_same_options_and_stays_there) {
    detector_rig rig(
        {k_unruly},
        isolated("a", "word = very secret\nfile = some/file\nfacts = [" + fact_text("custom.pid", R"("@pid")") + "," +
                          fact_text("custom.word", R"("@word")") + "," + fact_text("custom.file", R"("@file")") + "," +
                          fact_text("custom.root", R"("@sysroot")") + "]"),
        k_probe_host);
    detect_options options;
    options.sysroot = "/recorded";
    const auto facts = rig.detect(options);
    EXPECT_EQ(value_of(facts, "custom.word"), json::value("very secret"));
    EXPECT_EQ(value_of(facts, "custom.file"), json::value(rig.state_dir() + "/some/file"));
    EXPECT_EQ(value_of(facts, "custom.root"), json::value("/recorded"));
    const auto pid = value_of(facts, "custom.pid");
    EXPECT_NE(pid, json::value(std::to_string(::getpid())));
    EXPECT_EQ(value_of(rig.refresh(), "custom.pid"), pid);
    EXPECT_EQ(children_of_this_process().size(), 1u);
    rig.destroy_detector();
    EXPECT_TRUE(soon([] { return children_of_this_process().empty(); }));
}

TEST(isolated_probe, other_values_need_another_process) {
    const auto facts = "[" + fact_text("custom.pid", R"("@pid")") + "," + fact_text("custom.word", R"("@word")") + "]";
    detector_rig rig({k_unruly}, isolated("a", "word = old\nfacts = " + facts), k_probe_host);
    const auto before = rig.refresh();
    EXPECT_EQ(value_of(before, "custom.word"), json::value("old"));
    config_section section{
        "instance a", "test", {{"isolated", {"yes", ""}}, {"word", {"new", ""}}, {"facts", {facts, ""}}}};
    const auto plugin = rig.host().plugins().front();
    rig.host()
        .find(SIGRUN_KIND_PROBE, "a")
        ->set_values(bound_section::bind(&section, plugin.components.front().options).value());
    const auto after = rig.refresh();
    EXPECT_EQ(value_of(after, "custom.word"), json::value("new"));
    EXPECT_NE(value_of(after, "custom.pid"), value_of(before, "custom.pid"));
    EXPECT_EQ(children_of_this_process().size(), 1u);
}

TEST(isolated_probe, without_a_program_it_runs_here) {
    detector_rig rig({k_unruly}, isolated("a", "facts = [" + fact_text("custom.pid", R"("@pid")") + "]"));
    EXPECT_EQ(value_of(rig.detect(), "custom.pid"), json::value(std::to_string(::getpid())));
}

TEST(isolated_probe, a_file_that_was_removed_since_is_no_matter) {
    detector_rig rig({k_unruly}, isolated("a", "facts = [" + fact_text("custom.a", "1") + "]"), k_probe_host);
    std::filesystem::remove_all(rig.state_dir());
    EXPECT_EQ(value_of(rig.detect(), "custom.a"), json::value(1));
}

class mission_D20_fault : public testing::TestWithParam<std::pair<const char*, const char*>> {};

// What it sent before is kept, its other keys say why, the other probe has answered; the third time is the last.
TEST_P(mission_D20_fault, costs_the_keys_of_its_probe_only) {
    const auto [mode, said] = GetParam();
    detector_rig rig({k_unruly}, wild(mode), k_probe_host);
    for (int i = 0; i < 3; ++i) {
        const auto facts = rig.refresh();
        EXPECT_EQ(value_of(facts, "custom.calm"), json::value(1));
        EXPECT_EQ(value_of(facts, "custom.wild.early"), json::value(1));
        EXPECT_EQ(at(facts, "custom.wild.*").status, fact_status::error);
        EXPECT_NE(at(facts, "custom.wild.*").detail.find(said), std::string::npos) << at(facts, "custom.wild.*").detail;
        EXPECT_TRUE(children_of_this_process().empty());
    }
    const auto disabled = rig.refresh();
    EXPECT_EQ(value_of(disabled, "custom.calm"), json::value(1));
    EXPECT_NE(at(disabled, "custom.wild.*").detail.find("disabled until its plugin is loaded again, after 3 crashes"),
              std::string::npos)
        << at(disabled, "custom.wild.*").detail;
    rig.subject().forget();
    EXPECT_EQ(at(rig.refresh(), "custom.wild.*").detail.find("disabled"), std::string::npos);
}

const std::pair<const char*, const char*> k_faults[] = {
    {"exit", "its process ended"},
    {"abort", "by a signal: Aborted"},
#if defined(__SANITIZE_THREAD__)  // which takes the signal, reports, and exits, as the next one does
    {"segfault", "its process ended by itself, with exit code 66"},
#elif defined(__SANITIZE_ADDRESS__)
    {"segfault", "its process ended by itself, with exit code 1"},
#else
    {"segfault", "by a signal: Segmentation fault"},
#endif
    {"no_message", "it sent what is no message"},
#ifndef SIGRUN_SANITIZED  // whose shadow memory leaves no room for a limit
    {"leak", "by a signal: Aborted"},
#endif
};
INSTANTIATE_TEST_SUITE_P(isolated_probe, mission_D20_fault, testing::ValuesIn(k_faults),
                         [](const auto& which) { return which.param.first; });

class mission_D20_hang : public testing::TestWithParam<const char*> {};

TEST_P(mission_D20_hang, is_killed_at_its_hard_limit_and_tried_again) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, wild(GetParam(), "soft = 50\nhard = 200\ngate = " + gate), k_probe_host);
    rig.refresh({"custom.calm"});
    for (int i = 0; i < 4; ++i) {  // more often than a crash would be borne
        const auto facts = rig.refresh();
        EXPECT_EQ(value_of(facts, "custom.calm"), json::value(1));
        EXPECT_EQ(at(facts, "custom.wild.*").status, fact_status::timeout);
        EXPECT_LE(children_of_this_process().size(), 1u);
    }
    EXPECT_TRUE(soon([] { return children_of_this_process().empty(); }));
}

INSTANTIATE_TEST_SUITE_P(isolated_probe, mission_D20_hang, testing::Values("spin", "hang"),
                         [](const auto& which) { return which.param; });

TEST(isolated_probe, the_soft_limit_reaches_it) {
    detector_rig rig({k_unruly}, wild("polite", "soft = 20\nhard = 60000"), k_probe_host);
    const auto facts = rig.refresh();
    EXPECT_EQ(value_of(facts, "custom.wild.early"), json::value(1));
    EXPECT_EQ(facts->facts().size(), 2u);
}

TEST(isolated_probe, failing_and_talking_nonsense_is_no_crash) {
    for (const char* mode : {"twice", "garbage", "noise", "fds"}) {
        detector_rig rig({k_unruly}, wild(mode), k_probe_host);
        for (int i = 0; i < 4; ++i) {
            const auto facts = rig.refresh();
            EXPECT_EQ(value_of(facts, "custom.wild.early"), json::value(1)) << mode;
            EXPECT_EQ(facts->facts().size(), 2u) << mode;
        }
    }
    detector_rig failing({k_unruly}, wild("fail") + isolated("b", "mode = refuse\nkeys = custom.b"), k_probe_host);
    const auto facts = failing.refresh();
    EXPECT_NE(at(facts, "custom.wild.*").detail.find("no permission at all"), std::string::npos);
    EXPECT_EQ(at(facts, "custom.b").status, fact_status::error);
}

TEST(isolated_probe, what_cannot_be_made_there_says_why) {
    detector_rig rig({k_unruly}, wild("answer", "create = refuse"), k_probe_host);
    EXPECT_NE(at(rig.refresh(), "custom.wild.*").detail.find("it cannot be used there: not in this process"),
              std::string::npos)
        << at(rig.refresh(), "custom.wild.*").detail;
    detector_rig leaving({k_unruly}, wild("answer", "create = exit"), k_probe_host);
    EXPECT_NE(at(leaving.refresh(), "custom.wild.*").detail.find("exit code 3"), std::string::npos);
    detector_rig nowhere({k_unruly}, wild("answer"), "/nowhere/probe_host");
    EXPECT_NE(at(nowhere.refresh(), "custom.wild.*").detail.find("No such file"), std::string::npos);
}

TEST(isolated_probe, a_process_that_does_not_come_up_is_given_up) {
    detector_rig rig({k_unruly}, wild("answer", "create = hang"), k_probe_host);
    const auto facts = rig.refresh();
    EXPECT_EQ(value_of(facts, "custom.calm"), json::value(1));
    EXPECT_EQ(at(facts, "custom.wild.*").status, fact_status::timeout);
    EXPECT_NE(at(facts, "custom.wild.*").detail.find("not ready within 5s"), std::string::npos);
    EXPECT_TRUE(children_of_this_process().empty());
}

TEST(isolated_probe, a_run_keeps_at_most_4096_facts) {
    std::string facts = fact_text("custom.x0", "1");
    for (int i = 1; i < 400; ++i) facts += "," + fact_text("custom.x" + std::to_string(i), "1");
    detector_rig rig({k_unruly}, isolated("a", "mode = flood\nfacts = [" + facts + "]"), k_probe_host);
    EXPECT_EQ(rig.detect()->facts().size(), 400u);
}

TEST(isolated_probe, what_was_known_is_stale_when_it_fails) {
    scratch_folder folder;
    const std::string file = folder.path() + "/now";
    detector_rig rig({k_unruly},
                     isolated("wild", "mode = abort\nkeys = custom.wild.*,custom.one\nfile = " + file + "\nfacts = [" +
                                          fact_text("custom.one", "1") + "," +
                                          fact_text("custom.wild.slow", "2", R"(,"volatility":"slow")") + "]"),
                     k_probe_host);
    const auto good = rig.refresh();
    EXPECT_EQ(at(good, "custom.one").status, fact_status::ok);
    std::ofstream(file) << "x";
    auto facts = rig.refresh();  // sends everything once more before it aborts
    EXPECT_EQ(at(facts, "custom.one").status, fact_status::ok);
    rig.refresh();
    rig.refresh();
    facts = rig.refresh();  // disabled: nothing is sent
    EXPECT_EQ(at(facts, "custom.one").status, fact_status::stale);
    EXPECT_EQ(at(facts, "custom.one").value, json::value(1));
    EXPECT_NE(at(facts, "custom.one").detail.find("disabled"), std::string::npos);
    EXPECT_EQ(at(facts, "custom.wild.slow").status, fact_status::stale);
    EXPECT_EQ(at(facts, "custom.wild.*").status, fact_status::error);
    EXPECT_EQ(facts->class_hash(), good->class_hash());
    rig.clock().advance(120s);  // twice the time it was good for
    facts = rig.refresh();
    EXPECT_EQ(facts->find("custom.wild.slow"), nullptr);
    EXPECT_EQ(at(facts, "custom.one").status, fact_status::stale);
}

// A process that is gone but cannot be waited for, as one in an endless system call.
TEST(mission_D20, a_process_that_cannot_be_ended_is_the_only_one) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, wild("cling", "soft = 50\nhard = 300\ngate = " + gate), k_probe_host);
    auto facts = rig.refresh();
    EXPECT_EQ(at(facts, "custom.wild.*").status, fact_status::timeout);
    const auto corpse = children_of_this_process();
    ASSERT_EQ(corpse.size(), 1u);
    const auto quarantined = [&] {
        facts = rig.refresh();
        EXPECT_EQ(value_of(facts, "custom.calm"), json::value(1));
        EXPECT_EQ(children_of_this_process(), corpse);
        const fact& f = at(facts, "custom.wild.*");
        return f.status == fact_status::timeout && f.detail.find("quarantined: its process ") == 0;
    };
    ASSERT_TRUE(soon(quarantined));
    EXPECT_NE(at(facts, "custom.wild.*").detail.find("looked at again in 1m"), std::string::npos)
        << at(facts, "custom.wild.*").detail;
    rig.clock().advance(1min);
    EXPECT_TRUE(quarantined());
    EXPECT_NE(at(facts, "custom.wild.*").detail.find("looked at again in 2m"), std::string::npos)
        << at(facts, "custom.wild.*").detail;

    rig.add_gate(gate);
    rig.open_gates();
    EXPECT_TRUE(quarantined()) << "it is not looked at before its time";
    ASSERT_TRUE(soon([&] {
        rig.clock().advance(60min);
        facts = rig.refresh();
        return children_of_this_process() != corpse;
    }));
    EXPECT_NE(at(facts, "custom.wild.*").detail.find("its hard limit"), std::string::npos) << "it is run again";
}

TEST(mission_D20, a_hung_probe_delays_no_other_by_a_millisecond) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    const auto median = [](detector_rig& rig) {
        std::vector<nanoseconds> times;
        for (int i = 0; i < 301; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            rig.refresh({"custom.calm"});
            times.push_back(std::chrono::steady_clock::now() - begin);
        }
        std::nth_element(times.begin(), times.begin() + 150, times.end());
        return times[150];
    };
    detector_rig rig({k_unruly}, wild("hang", "hard = 60000\ngate = " + gate), k_probe_host);
    const auto alone = median(rig);
    rig.add_gate(gate);
    auto hung = rig.ask();
    const auto beside = median(rig);
    RecordProperty("alone_us", static_cast<int>(alone / 1us));
    RecordProperty("beside_us", static_cast<int>(beside / 1us));
    EXPECT_LT(beside - alone, 1ms);
    EXPECT_EQ(hung.wait_for(0s), std::future_status::timeout);
    rig.open_gates();
    rig.wait(std::move(hung));
}

// The whole way: what one probe finds out is in a document that somebody was told of, as soon beside another that hangs.
TEST(mission_D20, a_hung_probe_delays_no_news_of_another_by_a_millisecond) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly},
                     isolated("calm", "mode = exists\nkeys = custom.calm\nfacts = [" +
                                          fact_text("custom.calm", R"("@count")") + "]") +
                         isolated("hung", "mode = hang\nkeys = custom.hung\nhard = 60000\ngate = " + gate),
                     k_probe_host);
    std::atomic<int> told{0};
    rig.subject().set_observer([&] { ++told; });
    detect_options now, run;
    now.patience = run.patience = 0ns;
    run.fresh = true;
    const auto until_news = [&] {
        const auto before = value_of(rig.detect(now), "custom.calm");
        const auto begin = std::chrono::steady_clock::now();
        rig.detect(run);
        for (int seen = told; value_of(rig.detect(now), "custom.calm") == before; seen = told)
            while (told == seen) std::this_thread::sleep_for(50us);
        return std::chrono::steady_clock::now() - begin;
    };
    const auto median = [&] {
        std::vector<nanoseconds> times;
        for (int i = 0; i < 101; ++i) times.push_back(until_news());
        std::nth_element(times.begin(), times.begin() + 50, times.end());
        return times[50];
    };
    rig.add_gate(gate);
    rig.open_gates();
    rig.detect();
    const auto alone = median();
    rig.close_gates();
    rig.add_gate(gate);
    detect_options everything;
    everything.fresh = true;
    const auto hung = rig.ask(everything);
    const auto beside = median();
    RecordProperty("alone_us", static_cast<int>(alone / 1us));
    RecordProperty("beside_us", static_cast<int>(beside / 1us));
    EXPECT_LT(beside - alone, 1ms);
    EXPECT_EQ(hung.wait_for(0s), std::future_status::timeout) << "to the end";
}

TEST(isolated_probe, a_process_is_kept_until_it_has_grown) {
    const auto processes_of = [](const std::string& mode) {
        detector_rig rig({k_unruly},
                         isolated("a", "mode = " + mode + "\nfacts = [" + fact_text("custom.pid", R"("@pid")") + "]"),
                         k_probe_host);
        std::set<std::string> processes;
        for (int i = 0; i < 200; ++i) processes.insert(json::serialize(value_of(rig.refresh(), "custom.pid")));
        return processes.size();
    };
    EXPECT_EQ(processes_of("answer"), 1u);
#ifndef SIGRUN_SANITIZED  // which keep what was freed for a while
    const auto leaking = processes_of("drip");
    EXPECT_GE(leaking, 8u) << "a MiB with each run: sixteen or seventeen are too many";
    EXPECT_LE(leaking, 20u);
#endif
}

TEST(mission_D20, a_thousand_refreshes_leave_nothing_behind) {
    detector_rig rig({k_unruly}, isolated("a", "mode = fds\nfacts = [" + fact_text("custom.pid", R"("@pid")") + "]"),
                     k_probe_host);
    std::set<std::string> processes;
    census before;
    for (int i = 0; i < 1000; ++i) {
        processes.insert(json::serialize(value_of(rig.refresh(), "custom.pid")));
        if (i == 0) before = census::taken();
    }
    ASSERT_TRUE(soon([] { return children_of_this_process().size() == 1; })) << "the next one takes over";
    const auto after = census::taken();
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.threads, before.threads);
    EXPECT_LE(after.workers, 16u);
    EXPECT_GE(processes.size(), 50u) << "each run leaves ten descriptors open, and 128 are too many";
    EXPECT_LE(processes.size(), 200u);
    rig.destroy_detector();
    EXPECT_TRUE(soon([] { return children_of_this_process().empty(); }));
    EXPECT_EQ(census::taken().descriptors, before.descriptors - 1);
}

}  // namespace
}  // namespace sigrun
