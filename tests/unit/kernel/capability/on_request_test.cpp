// Probes that run only for who asks for them, and the tiers in documents.
#include "tests/unit/kernel/capability/detector_rig.hpp"

namespace sigrun {
namespace {

using namespace std::chrono_literals;

std::string two_probes(const std::string& of_the_second) {
    return unruly("a", "keys = custom.a\nfacts = [" + fact_text("custom.a", "1") + "]") +
           unruly("b",
                  "keys = custom.b\non_request = yes\nfacts = [" + fact_text("custom.b", "2") + "]\n" + of_the_second);
}

detect_options on_request() {
    detect_options options;
    options.on_request = options.fresh = true;
    return options;
}

TEST(on_request, such_a_probe_runs_when_it_is_asked_for_and_never_else) {
    detector_rig rig({k_unruly}, two_probes(""));
    const auto usual = rig.detect();
    EXPECT_EQ(value_of(usual, "custom.a"), json::value(1));
    EXPECT_FALSE(usual->find("custom.b"));
    EXPECT_FALSE(rig.refresh({"custom.b"})->find("custom.b")) << "not for who asks for its keys, either";
    EXPECT_EQ(rig.subject().stats().runs, 1u);
    const auto measured = rig.detect(on_request());
    EXPECT_EQ(value_of(measured, "custom.b"), json::value(2));
    EXPECT_FALSE(measured->find("custom.a")) << "and nothing beside it";
    EXPECT_EQ(rig.detect(), usual) << "the one is not taken for the other";
}

TEST(on_request, one_that_runs_in_a_process_is_interrupted_at_once) {
    // Polite: it waits until it is cancelled. Its limits are a minute.
    for (int i = 0; i < 5; ++i) {
        detector_rig rig({k_unruly}, two_probes("mode = polite\nisolated = yes"), k_probe_host);
        auto answer = rig.ask(on_request());
        rig.subject().interrupt();  // its process may not even be there yet
        const auto facts = detector_rig::wait(std::move(answer));
        EXPECT_TRUE(facts->find("custom.b")) << "what a cancelled run says";
    }
}

TEST(on_request, an_interruption_is_not_for_the_others) {
    scratch_folder folder;
    const auto gate = detector_rig::make_gate(folder, "gate");
    detector_rig rig({k_unruly}, unruly("a", "keys = custom.a\nmode = hang\ngate = " + gate + "\nfacts = [" +
                                                 fact_text("custom.a", "1") + "]"));
    rig.add_gate(gate);
    auto answer = rig.ask();
    rig.subject().interrupt();
    EXPECT_EQ(answer.wait_for(50ms), std::future_status::timeout);
    rig.open_gates();
    EXPECT_EQ(value_of(detector_rig::wait(std::move(answer)), "custom.a"), json::value(1));
}

TEST(on_request, tiers_come_with_the_facts_that_show_them) {
    const auto cores = fact_text("cpu.effective_cores", "1");
    detector_rig rig({k_unruly}, unruly("a", "keys = cpu.*\nfacts = [" + cores + "]") +
                                     unruly("b", "keys = custom.*\nfacts = [" + fact_text("custom.b", "1") + "]"));
    EXPECT_EQ(value_of(rig.detect(), "tier.cpu"), json::value("basic"));
    const auto only = rig.refresh({"tier.cpu"});
    ASSERT_EQ(only->facts().size(), 1u) << "what it comes from is not asked for";
    EXPECT_EQ(value_of(only, "tier.cpu"), json::value("basic"));
    EXPECT_FALSE(rig.refresh({"cpu"})->find("tier.cpu"));
    EXPECT_EQ(rig.refresh({"custom"})->facts().size(), 1u);
}

}  // namespace
}  // namespace sigrun
