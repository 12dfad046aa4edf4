// When a runner measures itself, when not, and what becomes of the result.
#include "kernel/agent/self_benchmark.hpp"

#include "kernel/guard/private_file.hpp"
#include "tests/unit/kernel/capability/detector_rig.hpp"

namespace sigrun {
namespace {

using namespace std::chrono_literals;

const std::string k_day = R"(,"ttl_s":86400,"volatility":"slow","confidence":90)";

std::string speed(const std::string& more = "") {
    return unruly("speed", "keys = perf.*\non_request = yes\nfacts = [" + fact_text("perf.single_int", "0.9", k_day) +
                               "," + fact_text("perf.noise_ratio", "0.01", k_day) + "]\n" + more);
}

class self_measured {
public:
    explicit self_measured(const std::string& ini = speed(), const std::string& program = {}, bool wanted = true)
        : rig({k_unruly}, ini, program),
          me(std::make_shared<self_benchmark>(rig.host(), rig.subject(), rig.clock(), wanted, "")) {}

    static fact cores(double n) {
        fact f;
        f.key = "cpu.effective_cores";
        f.value = n;
        f.method = "derived";
        f.source = "test";
        f.observed_ns = 1;
        return f;
    }
    void look(double n = 16, bool idle = true) {
        me->look(idle, capability_document({cores(n)}), [this] { ++told; });
    }
    /// What the machine with so many cores is known to be.
    capability_document known(double n = 16) {
        std::vector<fact> facts{cores(n)};
        me->complete(facts);
        return capability_document(facts);
    }
    std::uint64_t runs() { return rig.subject().stats().runs; }
    template <class Condition>
    static bool soon(Condition&& condition) {
        for (const auto end = std::chrono::steady_clock::now() + 60s; !condition();)
            if (std::chrono::steady_clock::now() > end)
                return false;
            else
                std::this_thread::yield();
        return true;
    }

    std::atomic<int> told{0};
    detector_rig rig;
    std::shared_ptr<self_benchmark> me;
};

TEST(self_benchmark, measures_once_when_idle_and_the_facts_and_tiers_have_it) {
    self_measured m;
    EXPECT_EQ(m.known().find("tier.cpu")->status, fact_status::error);
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.told == 1; }));
    const auto facts = m.known();
    EXPECT_EQ(facts.find("perf.single_int")->value, json::value(0.9));
    EXPECT_EQ(facts.find("tier.cpu")->value, "high");
    for (int i = 0; i < 5; ++i) m.look();
    EXPECT_EQ(m.runs(), 1u) << "the result is good";
}

TEST(self_benchmark, mission_D14_is_not_begun_while_jobs_run_or_come_or_nobody_wants_it) {
    self_measured m;
    m.look(16, false);
    m.me->job_offered();
    m.look();
    EXPECT_EQ(m.runs(), 0u);
    m.look();  // a whole interval without an offer
    EXPECT_TRUE(m.soon([&] { return m.told == 1; }));
    self_measured unwanted(speed(), {}, false);
    unwanted.look();
    EXPECT_EQ(unwanted.runs(), 0u);
}

TEST(self_benchmark, mission_D14_an_offer_ends_it_and_the_next_try_waits) {
    // Until it is cancelled this probe does not end.
    self_measured m(speed("mode = polite\nisolated = yes"), k_probe_host);
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.runs() == 1; }));
    m.me->job_offered();
    ASSERT_TRUE(m.soon([&] { return !m.me->measuring(); }));
    m.look();  // an offer came since
    m.look();  // and the pause is not over
    EXPECT_EQ(m.runs(), 1u);
    m.rig.clock().advance(61s);
    m.look();
    EXPECT_TRUE(m.soon([&] { return m.runs() == 2; }));
    EXPECT_EQ(m.told, 0) << "what was measured beside a job is no result";
    EXPECT_FALSE(m.known().find("perf.single_int"));
    m.me->stop();
}

TEST(self_benchmark, is_measured_anew_after_a_day_or_when_a_limit_changed) {
    self_measured m;
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.told == 1; }));
    EXPECT_EQ(m.known(4).find("perf.single_int")->status, fact_status::stale) << "of a machine that had more cores";
    EXPECT_EQ(m.known(4).find("tier.cpu")->value, "standard") << "down at once";
    m.look(4);
    ASSERT_TRUE(m.soon([&] { return m.told == 2; }));
    EXPECT_EQ(m.known(4).find("perf.single_int")->status, fact_status::ok);
    m.rig.clock().advance(23h);
    m.look(4);
    EXPECT_EQ(m.runs(), 2u);
    m.rig.clock().advance(2h);
    EXPECT_EQ(m.known(4).find("perf.single_int")->status, fact_status::stale);
    m.look(4);
    EXPECT_TRUE(m.soon([&] { return m.told == 3; }));
    m.rig.clock().advance(49h);
    EXPECT_FALSE(m.known(4).find("perf.single_int")) << "too old to say anything";
}

TEST(self_benchmark, software_makes_no_other_machine) {
    auto tools = self_measured::cores(16);
    tools.key = "tool";
    tools.value = json::array{"gcc"};
    const auto plain = machine_signature(capability_document({self_measured::cores(16)}));
    EXPECT_EQ(machine_signature(capability_document({self_measured::cores(16), tools})), plain);
    for (const std::string key : {"cpu.microcode", "cpu.quota_cores", "memory.effective_bytes", "kernel.release"}) {
        auto other = self_measured::cores(1);
        other.key = key;
        EXPECT_NE(machine_signature(capability_document({self_measured::cores(16), other})), plain) << key;
    }
}

TEST(self_benchmark, what_came_to_nothing_is_not_tried_again_at_once) {
    self_measured m(unruly("speed", "keys = perf.*\non_request = yes\nmode = fail"));
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.runs() == 1 && !m.me->measuring(); }));
    m.look();
    EXPECT_EQ(m.runs(), 1u);
    m.rig.clock().advance(61s);
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.runs() == 2 && !m.me->measuring(); }));
    m.rig.clock().advance(61s);
    m.look();
    EXPECT_EQ(m.runs(), 2u) << "each pause is longer";
    m.rig.clock().advance(60s);
    m.look();
    EXPECT_TRUE(m.soon([&] { return m.runs() == 3; }));
    EXPECT_EQ(m.told, 0);
    EXPECT_FALSE(m.known().find("perf.single_int"));
}

TEST(self_benchmark, what_an_operator_declares_stays) {
    self_measured m;
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.told == 1; }));
    auto declared = self_measured::cores(0.25);
    declared.key = "perf.single_int";
    declared.method = "declared";
    std::vector<fact> facts{self_measured::cores(16), declared};
    m.me->complete(facts);
    EXPECT_EQ(capability_document(facts).find("perf.single_int")->value, json::value(0.25));
    EXPECT_EQ(capability_document(facts).find("tier.cpu")->value, "basic");
}

TEST(self_benchmark, a_result_outlives_the_program_and_a_broken_file_is_none) {
    scratch_folder folder;
    const auto file = folder.path() + "/benchmark.json";
    self_measured m;
    const auto remembers = [&] {
        return std::make_shared<self_benchmark>(m.rig.host(), m.rig.subject(), m.rig.clock(), true, file);
    };
    m.me = remembers();
    m.look();
    ASSERT_TRUE(m.soon([&] { return m.told == 1 && std::filesystem::exists(file); }));
    m.me = remembers();
    EXPECT_EQ(m.known().find("perf.single_int")->value, json::value(0.9));
    m.look();
    EXPECT_EQ(m.runs(), 1u) << "it is still good";

    for (const std::string text :
         {"", "{", "[]", "{\"version\":1}", R"({"version":2,"facts":[]})", R"({"version":1,"facts":[7]})",
          R"({"version":1,"facts":[{"key":"cpu.cores","value":9,"method":"read","source":"x"}]})",
          R"({"version":1,"facts":[{"key":"perf.single_int","value":9,"method":"declared","source":"x"}]})"}) {
        ASSERT_TRUE(write_whole_file(file, text, 0600));
        m.me = remembers();
        EXPECT_FALSE(m.known().find("perf.single_int")) << text;
        EXPECT_FALSE(m.known().find("cpu.cores")) << text;
    }
}

}  // namespace
}  // namespace sigrun
