#include "kernel/capability/probe_answer.hpp"
#include "tests/unit/kernel/capability/detector_rig.hpp"

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

TEST(detector, no_probes_no_facts) {
    detector_rig rig({}, "");
    EXPECT_TRUE(rig.detect()->facts().empty());
}

TEST(detector, merges_all_probes_and_adds_time_and_defaults) {
    detector_rig rig({k_unruly},
                     unruly("a", "facts = [" + fact_text("custom.a", "1") + "," +
                                     fact_text("custom.load", "0.5", R"(,"volatility":"fast")") + "]") +
                         unruly("b", "facts = [" + fact_text("custom.b", "2", R"(,"volatility":"slow")") + "]"));
    const auto facts = rig.detect();
    ASSERT_EQ(facts->facts().size(), 3u);
    EXPECT_EQ(value_of(facts, "custom.a"), json::value(1));
    EXPECT_EQ(facts->find("custom.a")->ttl_s, 0u);
    EXPECT_EQ(facts->find("custom.load")->ttl_s, 5u);
    EXPECT_EQ(facts->find("custom.b")->ttl_s, 60u);
    for (const fact& f : facts->facts()) EXPECT_EQ(f.observed_ns, rig.clock().wall_ns()) << f.key;
    const auto back = capability_document::from_json(facts->to_json());
    ASSERT_TRUE(back);
    EXPECT_EQ((*back)->inventory_hash(), facts->inventory_hash());
}

TEST(detector, an_answer_beats_none_and_the_surer_answer_wins) {
    const std::string none = R"({"key":"custom.x","status":"denied"})";
    detector_rig rig({k_unruly}, unruly("a", "facts = [" + fact_text("custom.x", "1", R"(,"confidence":60)") + "," +
                                                 fact_text("custom.y", "1", R"(,"confidence":90)") + "]") +
                                     unruly("b", "facts = [" + fact_text("custom.x", "2", R"(,"confidence":80)") + "," +
                                                     fact_text("custom.y", "2", R"(,"confidence":80)") + "]") +
                                     unruly("c", "facts = [" + none + "]"));
    const auto facts = rig.detect();
    EXPECT_EQ(value_of(facts, "custom.x"), json::value(2));
    EXPECT_EQ(value_of(facts, "custom.y"), json::value(1));
}

TEST(detector, what_the_operator_declares_wins_whatever_its_probe_is_called) {
    const std::string declared =
        R"({"key":"custom.x","value":7,"status":"ok","method":"declared","source":"f","confidence":50})";
    const std::string denied = R"({"key":"custom.y","status":"error","method":"declared","source":"f"})";
    const auto read = fact_text("custom.x", "1", R"(,"confidence":100)") + "," + fact_text("custom.y", "2");
    for (const auto& [first, second] : {std::pair{"a", "b"}, std::pair{"b", "a"}}) {
        detector_rig rig({k_unruly}, unruly(first, "facts = [" + declared + "," + denied + "]") +
                                         unruly(second, "facts = [" + read + "]"));
        const auto facts = rig.detect();
        EXPECT_EQ(value_of(facts, "custom.x"), json::value(7)) << first;
        EXPECT_EQ(value_of(facts, "custom.y"), json::value(2)) << "a declaration that failed beats nothing";
    }
}

TEST(detector, only_runs_the_probes_that_may_answer_and_keeps_what_was_asked_for) {
    detector_rig rig({k_unruly}, unruly("a", "keys = custom.a.*\nfacts = [" + fact_text("custom.a.x", "1") + "," +
                                                 fact_text("custom.a.y", "2") + "]") +
                                     unruly("b", "keys = custom.b.*\nfacts = [" + fact_text("custom.b.x", "3") + "]"));
    detect_options options;
    options.only = {"custom.a.x"};
    const auto facts = rig.detect(options);
    EXPECT_EQ(facts->facts().size(), 1u);
    EXPECT_EQ(value_of(facts, "custom.a.x"), json::value(1));
    EXPECT_EQ(rig.subject().stats().runs, 1u);
    options.only = {"custom.*"};
    EXPECT_EQ(rig.detect(options)->facts().size(), 3u);
    options.only = {"memory."};
    EXPECT_TRUE(rig.detect(options)->facts().empty());
}

TEST(detector, the_sysroot_reaches_the_probe_and_has_answers_of_its_own) {
    detector_rig rig({k_unruly}, unruly("a", "facts = [" + fact_text("custom.root", R"("@sysroot")") + "]"));
    detect_options options;
    options.sysroot = "/recorded";
    EXPECT_EQ(value_of(rig.detect(options), "custom.root"), json::value("/recorded"));
    EXPECT_EQ(value_of(rig.detect(), "custom.root"), json::value(""));
}

TEST(detector, equal_questions_are_answered_from_the_cache_until_they_are_old) {
    detector_rig rig(
        {k_unruly}, unruly("a", "facts = [" + fact_text("custom.a", "1", R"(,"volatility":"slow","ttl_s":300)") + "]"));
    const auto first = rig.detect();
    EXPECT_EQ(rig.detect(), first);
    rig.clock().advance(5min);
    EXPECT_NE(rig.detect(), first);
    detect_options fresh;
    fresh.fresh = true;
    rig.detect(fresh);
    detect_options spelled;
    spelled.only = {"custom", "custom", "*"};
    rig.detect(spelled);  // everything, in other words
    const auto s = rig.subject().stats();
    EXPECT_EQ(s.misses, 3u);
    EXPECT_EQ(s.hits, 2u);
    EXPECT_EQ(s.runs, 3u);
}

// Two probes: one of what changes, one of what does not.
std::string fast_and_still() {
    return unruly("fast",
                  "keys = custom.load\nfacts = [" + fact_text("custom.load", "1", R"(,"volatility":"fast")") + "]") +
           unruly("still",
                  "keys = custom.size\nfacts = [" + fact_text("custom.size", "2", R"(,"volatility":"static")") + "]");
}

TEST(detector, only_probes_whose_facts_are_past_their_time_run_again) {
    detector_rig rig({k_unruly}, fast_and_still());
    rig.detect();
    rig.clock().advance(5s);
    rig.detect();
    rig.clock().advance(24h * 365);
    rig.detect();
    const auto s = rig.subject().stats();
    EXPECT_EQ(s.runs, 4u) << "fast three times, still once";
    EXPECT_EQ(s.misses, 4u);
    EXPECT_EQ(s.hits, 2u);
    EXPECT_EQ(s.now.valid, 2u);
}

TEST(detector, who_does_not_wait_gets_what_is_past_its_time_as_stale_while_it_is_renewed) {
    detector_rig rig({k_unruly}, fast_and_still());
    rig.detect();
    rig.clock().advance(6s);
    detect_options at_once;
    at_once.stale_will_do = true;
    const auto facts = rig.detect(at_once);
    EXPECT_EQ(facts->find("custom.load")->status, fact_status::stale);
    EXPECT_EQ(facts->find("custom.size")->status, fact_status::ok);
    EXPECT_EQ(rig.detect()->find("custom.load")->status, fact_status::ok);  // shares the run or is answered by it
    const auto s = rig.subject().stats();
    EXPECT_EQ(s.stale, 1u);
    EXPECT_EQ(s.renewals, 1u);
    EXPECT_EQ(s.runs, 3u);
    rig.clock().advance(10s);
    EXPECT_EQ(rig.detect(at_once)->find("custom.load")->status, fact_status::ok) << "too old: it waits";
}

TEST(detector, a_probe_with_nothing_to_say_yet_is_asked_again_soon) {
    detector_rig rig({k_unruly}, unruly("a", "facts = []"));
    rig.detect();
    rig.clock().advance(10s);
    rig.detect();
    EXPECT_EQ(rig.subject().stats().runs, 2u);
}

TEST(detector, what_has_changed_is_read_before_it_answers_again) {
    detector_rig rig({k_unruly}, fast_and_still());
    rig.detect();
    rig.subject().expire({"custom.size"});
    rig.detect();
    EXPECT_EQ(rig.subject().stats().runs, 3u);
    rig.subject().expire({"memory."});
    rig.detect();
    EXPECT_EQ(rig.subject().stats().runs, 3u);
}

TEST(detector, its_observer_is_told_of_what_is_new_and_of_nothing_else) {
    scratch_folder folder;
    const auto file = folder.path() + "/appears";
    detector_rig rig(
        {k_unruly}, unruly("a", "mode = exists\nfile = " + file + "\nfacts = [" + fact_text("custom.there", "@exists") +
                                    "," + fact_text("custom.pid", "@count", R"(,"volatility":"fast")") + "]"));
    std::atomic<int> told{0};
    rig.subject().set_observer([&] { ++told; });
    rig.detect();
    rig.refresh();
    std::ofstream(file) << "x";
    rig.refresh();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (told == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    EXPECT_EQ(told, 1) << "the first answer and an equal one are no news, nor is what changes all the time";
}

TEST(detector, a_probe_that_failed_is_tried_again_soon_and_then_less_often) {
    detector_rig rig({k_unruly}, unruly("a", "mode = fail\nkeys = custom.a"));
    rig.detect();
    for (std::chrono::milliseconds pause : {5s, 10s, 20s, 40s, 60s, 60s}) {
        const auto runs = rig.subject().stats().runs;
        rig.clock().advance(pause * 7 / 10);
        rig.detect();
        EXPECT_EQ(rig.subject().stats().runs, runs) << pause.count();
        rig.clock().advance(pause * 3 / 10);
        rig.detect();
        EXPECT_EQ(rig.subject().stats().runs, runs + 1) << pause.count();
    }
}

TEST(detector, a_thousand_callers_share_one_run) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly},
                     unruly("a", "mode = hang\ngate = " + gate + "\nfacts = [" + fact_text("custom.a", "1") + "]"));
    rig.add_gate(gate);
    std::vector<std::future<capability_ptr>> answers;
    for (int i = 0; i < 1000; ++i) answers.push_back(rig.ask());
    rig.open_gates();
    const auto first = detector_rig::wait(std::move(answers.front()));
    for (std::size_t i = 1; i < answers.size(); ++i) ASSERT_EQ(detector_rig::wait(std::move(answers[i])), first);
    const auto s = rig.subject().stats();
    EXPECT_EQ(s.runs, 1u);
    EXPECT_EQ(s.misses, 1u);
    EXPECT_EQ(s.shared, 999u);
}

TEST(detector, what_was_begun_before_forget_answers_only_those_who_asked_before) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly},
                     unruly("a", "mode = hang\ngate = " + gate + "\nfacts = [" + fact_text("custom.a", "1") + "]"));
    rig.add_gate(gate);
    auto before = rig.ask();
    rig.subject().forget();
    auto after = rig.ask();
    rig.open_gates();
    const auto old = detector_rig::wait(std::move(before));
    const auto now = detector_rig::wait(std::move(after));
    EXPECT_NE(old, now);
    EXPECT_EQ(rig.subject().stats().runs, 2u);
    EXPECT_EQ(rig.detect(), now);  // and the old run has not put its own in the newer one's place
}

TEST(detector, a_hung_probe_costs_its_own_facts_only) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, unruly("a", "mode = hang\nhard = 50\nkeys = custom.slow.*,custom.other\ngate = " +
                                                 gate + "\nfacts = [" + fact_text("custom.slow.x", "1") + "]") +
                                     unruly("b", "facts = [" + fact_text("custom.b", "2") + "]"));
    rig.add_gate(gate);
    auto facts = rig.detect();
    EXPECT_EQ(value_of(facts, "custom.b"), json::value(2));
    ASSERT_NE(facts->find("custom.slow.*"), nullptr);
    EXPECT_EQ(facts->find("custom.slow.*")->status, fact_status::timeout);
    EXPECT_EQ(facts->find("custom.other")->status, fact_status::timeout);
    EXPECT_EQ(facts->find("custom.slow.x"), nullptr);
    EXPECT_TRUE(capability_document::from_json(facts->to_json()));

    // It is not started a second time while it hangs ...
    detect_options fresh;
    fresh.fresh = true;
    facts = rig.detect(fresh);
    EXPECT_EQ(facts->find("custom.slow.*")->status, fact_status::timeout);
    EXPECT_EQ(rig.subject().stats().runs, 3u);  // a once, b twice

    // ... and answers again once it has returned; its late facts are dropped.
    rig.open_gates();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    do {
        facts = rig.detect(fresh);
    } while (!facts->find("custom.slow.x") && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(value_of(facts, "custom.slow.x"), json::value(1));
    EXPECT_EQ(facts->find("custom.slow.*"), nullptr);
}

TEST(detector, what_a_probe_sent_before_it_hung_is_kept_and_what_comes_after_is_not) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, unruly("a", "mode = late\nhard = 200\ngate = " + gate + "\nfacts = [" +
                                                 fact_text("custom.early", "1") + "]"));
    rig.add_gate(gate);
    const auto facts = rig.detect();
    EXPECT_EQ(value_of(facts, "custom.early"), json::value(1));
    EXPECT_EQ(facts->find("custom.*")->status, fact_status::timeout);
    rig.open_gates();
    EXPECT_EQ(rig.detect()->find("custom.late"), nullptr);
}

// A probe that waits at a gate beside one that does not, each in the same kind of place.
class patient_detector : public testing::TestWithParam<const char*> {
protected:
    scratch_folder folder;
    std::string gate = detector_rig::make_gate(folder, "gate");
    std::string isolated = std::string("isolated = ") + GetParam() + "\n";
    std::string late(const std::string& more = "") {
        return unruly("late", isolated + more + "mode = hang\nkeys = custom.late.*,custom.other\ngate = " + gate +
                                  "\nfacts = [" + fact_text("custom.late.x", "1") + "]");
    }
    std::string quick() {
        return unruly("quick", isolated + "keys = custom.quick\nfacts = [" + fact_text("custom.quick", "2") + "]");
    }
    /// The first document in which the quick probe's answer is, asked for again and again with hardly any patience.
    static capability_ptr with_quick(detector_rig& rig) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        for (auto facts = rig.detect(k_hardly);; facts = rig.detect(k_hardly)) {
            if (value_of(facts, "custom.quick") == json::value(2)) return facts;
            if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the quick probe did not answer");
        }
    }
    static detect_options hardly() {
        detect_options options;
        options.patience = 1ms;
        return options;
    }
    static const inline detect_options k_hardly = hardly();
};

TEST_P(patient_detector, mission_D20_the_document_is_there_before_a_late_probe_may_answer) {
    detector_rig rig({k_unruly}, late() + quick(), k_probe_host);
    rig.add_gate(gate);
    std::promise<void> told;
    auto news = told.get_future();
    std::atomic<bool> open{false}, once{false};
    rig.subject().set_observer([&] {
        if (open && !once.exchange(true)) told.set_value();
    });
    const auto facts = with_quick(rig);  // although the gate is shut
    for (const char* key : {"custom.late.*", "custom.other"}) {
        ASSERT_NE(facts->find(key), nullptr) << key;
        EXPECT_EQ(facts->find(key)->status, fact_status::timeout);
        EXPECT_EQ(facts->find(key)->detail, "not known yet: its probe has not answered");
        EXPECT_EQ(facts->find(key)->source, "late");
    }
    auto whole = rig.ask();
    open = true;
    rig.open_gates();
    ASSERT_EQ(news.wait_for(60s), std::future_status::ready);
    const auto all = detector_rig::wait(std::move(whole));
    EXPECT_EQ(value_of(all, "custom.late.x"), json::value(1));
    EXPECT_EQ(all->facts().size(), 2u) << "nothing is left of what was not known";
    EXPECT_EQ(rig.detect(k_hardly), all) << "everything is good: the same document";
    EXPECT_EQ(rig.subject().stats().runs, 2u);
}

TEST_P(patient_detector, who_never_answers_ends_at_its_hard_limit_and_that_is_told) {
    detector_rig rig({k_unruly}, late("hard = 300\n") + quick(), k_probe_host);
    rig.add_gate(gate);
    std::atomic<bool> ended{false}, once{false};
    std::promise<void> told;
    rig.subject().set_observer([&] {
        detect_options now;
        now.patience = 0ns;
        rig.subject().detect(now, [&](const capability_ptr& facts) {
            const fact* f = facts->find("custom.other");
            ended = ended || (f && f->detail == "the probe did not answer within its hard limit");
        });
        if (ended && !once.exchange(true)) told.set_value();
    });
    with_quick(rig);
    EXPECT_EQ(told.get_future().wait_for(60s), std::future_status::ready);
    EXPECT_EQ(rig.detect()->find("custom.late.*")->status, fact_status::timeout);
}

TEST_P(patient_detector, what_is_not_known_yet_is_neither_kept_nor_what_others_are_told) {
    scratch_folder state;
    const auto file = state.path() + "/facts";
    detector_rig rig({k_unruly}, late() + quick(), k_probe_host);
    rig.add_gate(gate);
    rig.subject().keep_in(file);
    auto patient = rig.ask();
    with_quick(rig);
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!std::filesystem::exists(file) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    EXPECT_NE(text.str().find("custom.quick"), std::string::npos);
    EXPECT_EQ(text.str().find("custom.late"), std::string::npos) << text.str();
    EXPECT_EQ(text.str().find("custom.other"), std::string::npos);
    EXPECT_EQ(patient.wait_for(0s), std::future_status::timeout);
    rig.open_gates();
    EXPECT_EQ(value_of(detector_rig::wait(std::move(patient)), "custom.late.x"), json::value(1));
}

TEST_P(patient_detector, what_is_read_again_is_as_it_was_until_it_has_been_read) {
    detector_rig rig({k_unruly}, late() + quick(), k_probe_host);
    rig.add_gate(gate);
    rig.open_gates();
    const auto before = rig.detect();
    rig.close_gates();
    auto again = hardly();
    again.fresh = true;
    for (const bool forgotten : {false, true}) {
        if (forgotten) rig.subject().forget();
        const auto facts = rig.detect(again);
        EXPECT_EQ(facts->find("custom.late.x")->status, fact_status::ok) << forgotten;
        EXPECT_EQ(facts->inventory_hash(), before->inventory_hash()) << forgotten;
    }
    rig.add_gate(gate);
}

INSTANTIATE_TEST_SUITE_P(places, patient_detector, testing::Values("no", "yes"), [](const auto& place) {
    return std::string(place.param) == "yes" ? "in_a_process_of_its_own" : "in_this_process";
});

TEST(fact_merge, what_is_stale_because_its_probe_still_reads_it_holds_against_who_is_less_sure) {
    const auto made = [](int value, std::uint8_t confidence) {
        fact f;
        f.key = "lang";
        f.value = value;
        f.confidence = confidence;
        return f;
    };
    for (const bool old_first : {true, false}) {
        fact_merge best;
        if (old_first) best.add(made(1, 100), true);
        best.add(made(2, 60));
        if (!old_first) best.add(made(1, 100), true);
        const auto facts = std::move(best).take();
        ASSERT_EQ(facts.size(), 1u);
        EXPECT_EQ(facts[0].value, json::value(1));
        EXPECT_EQ(facts[0].status, fact_status::stale);
    }
}

TEST(detector, the_soft_limit_cancels_a_polite_probe) {
    detector_rig rig({k_unruly}, unruly("a", "mode = polite\nsoft = 20\nhard = 60000\nfacts = [" +
                                                 fact_text("custom.a", "1") + "]"));
    const auto facts = rig.detect();
    EXPECT_EQ(value_of(facts, "custom.a"), json::value(1));
    EXPECT_EQ(facts->facts().size(), 1u);
}

TEST(detector, a_probe_that_fails_says_why) {
    detector_rig rig({k_unruly},
                     unruly("a", "mode = refuse\nkeys = custom.a") + unruly("b", "mode = fail\nkeys = custom.b") +
                         unruly("c", "mode = twice\nkeys = custom.c\nfacts = [" + fact_text("custom.c", "3") + "]"));
    const auto facts = rig.detect();
    EXPECT_EQ(facts->find("custom.a")->status, fact_status::error);
    EXPECT_EQ(facts->find("custom.b")->status, fact_status::error);
    EXPECT_NE(facts->find("custom.b")->detail.find("no permission at all"), std::string::npos);
    EXPECT_EQ(value_of(facts, "custom.c"), json::value(3));
}

TEST(detector, what_is_no_fact_is_left_out) {
    for (const char* wrong :
         {R"({"key":"cpu.cores","value":1,"method":"read","source":"x"})",  // not declared
          R"({"key":"custom.x","value":1,"source":"x"})", R"({"key":"custom.x","value":1,"method":"read"})",
          R"({"key":"custom.x","value":1,"method":"assumed","source":"x"})",
          R"({"key":"custom.x","value":1,"method":"read","source":"x","status":"stale"})",
          R"({"key":"Custom","value":1})", "7"}) {
        detector_rig rig({k_unruly},
                         unruly("a", "facts = [" + std::string(wrong) + "," + fact_text("custom.good", "1") + "]"));
        const auto facts = rig.detect();
        EXPECT_EQ(facts->facts().size(), 1u) << wrong;
        EXPECT_EQ(value_of(facts, "custom.good"), json::value(1)) << wrong;
    }
    for (const char* wrong : {"7", "[", "{}", "\"text\""}) {
        detector_rig rig({k_unruly}, unruly("a", "facts = " + std::string(wrong)));
        EXPECT_TRUE(rig.detect()->facts().empty()) << wrong;
    }
}

TEST(detector, a_run_keeps_at_most_4096_facts) {
    std::string facts = fact_text("custom.x0", "1");
    for (int i = 1; i < 400; ++i) facts += "," + fact_text("custom.x" + std::to_string(i), "1");
    detector_rig rig({k_unruly}, unruly("a", "mode = flood\nfacts = [" + facts + "]"));
    EXPECT_EQ(rig.detect()->facts().size(),
              400u);  // eleven times 400 is refused; what was taken before is kept
}

TEST(detector, its_end_answers_everybody_who_waits) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly},
                     unruly("a", "mode = hang\ngate = " + gate + "\nfacts = [" + fact_text("custom.a", "1") + "]"));
    rig.add_gate(gate);
    auto first = rig.ask();
    detect_options other;
    other.sysroot = "/other";
    auto second = rig.ask(other);  // waits behind the first, one run per probe at a time
    rig.destroy_detector();
    for (auto* answer : {&first, &second}) {
        const auto facts = detector_rig::wait(std::move(*answer));
        ASSERT_NE(facts->find("custom.*"), nullptr);
        EXPECT_EQ(facts->find("custom.*")->status, fact_status::timeout);
    }
}

TEST(detector, the_real_probes_describe_this_machine) {
    std::vector<std::string> plugins;
    for (const auto& entry : std::filesystem::directory_iterator(SIGRUN_BUILD_DIR "/plugins/probes"))
        if (entry.path().extension() == ".so") plugins.push_back(entry.path());
    ASSERT_GE(plugins.size(), 6u);
    detector_rig rig(plugins, "", k_probe_host);
    const auto facts = rig.detect();
    EXPECT_GT(facts->facts().size(), 115u);
    for (const fact& f : facts->facts()) {
        EXPECT_FALSE(f.source.empty()) << f.key;
        EXPECT_TRUE(f.status != fact_status::ok || !f.method.empty()) << f.key;
        EXPECT_NE(f.status, fact_status::timeout) << f.key;
    }
    for (std::string_view key : {"cpu.effective_cores", "memory.effective_bytes", "os.id", "host.arch",
                                 "kernel.release", "fs", "work.available_bytes", "sec.caps", "virt.container"}) {
        ASSERT_NE(facts->find(key), nullptr) << key;
        EXPECT_EQ(facts->find(key)->status, fact_status::ok) << key;
    }
    EXPECT_LE(value_of(facts, "cpu.effective_cores").to_number<double>(), std::thread::hardware_concurrency());
    EXPECT_NE(facts->class_hash(), facts->inventory_hash());
}

}  // namespace
}  // namespace sigrun
