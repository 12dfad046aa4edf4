// The gates, figure by figure and edge by edge, and what is said when one is not known.
#include "kernel/capability/tiers.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace sigrun {
namespace {

using enum machine_tier;

/// A machine whose figures can be changed one at a time.
class machine {
public:
    machine() {
        // Ultra everywhere.
        set("cpu.effective_cores", 64).set("perf.single_int", 1.5).set("perf.noise_ratio", 0.01);
        set("memory.effective_bytes", 128.0 * 1024 * 1024 * 1024).set("perf.mem_triad_bps", 200e9 * 8);
        set("work.available_bytes", 900e9).set("perf.fsync_p50_us", 100).set("perf.disk_rand_iops", 400'000);
        set("net.controller_rtt_us", 200).set("net.controller_up_bps", 10e9).set("net.controller_down_bps", 10e9);
        set("perf.all_int", 60).set("gpu.count", 0);
    }
    machine& set(const std::string& key, double value) {
        fact f;
        f.key = key;
        f.value = value;
        f.method = "measured";
        f.source = "test";
        f.observed_ns = ++time_;
        facts_[key] = f;
        return *this;
    }
    machine& lose(const std::string& key) {
        facts_.erase(key);
        return *this;
    }
    machine& fail(const std::string& key, fact_status why, const std::string& detail) {
        facts_[key].key = key;
        facts_[key].status = why;
        facts_[key].value = nullptr;
        facts_[key].detail = detail;
        return *this;
    }
    machine& change(const std::string& key, const std::function<void(fact&)>& how) {
        how(facts_.at(key));
        return *this;
    }
    fact_lookup find() const {
        return [this](std::string_view key) {
            const auto at = facts_.find(std::string(key));
            return at == facts_.end() ? nullptr : &at->second;
        };
    }
    axis_tier axis(tier_axis a) const { return judge_tiers(find())[static_cast<std::size_t>(a)]; }
    fact said(const std::string& key) const {
        for (auto& f : tier_facts(judge_tiers(find()), find()))
            if (f.key == key) return f;
        ADD_FAILURE() << "no fact " << key;
        return {};
    }

private:
    std::map<std::string, fact> facts_;
    std::int64_t time_ = 0;
};

TEST(tiers, what_passes_all_gates_is_ultra_and_nothing_limits_it) {
    const machine m;
    for (auto a : {tier_axis::cpu, tier_axis::memory, tier_axis::storage, tier_axis::network}) {
        EXPECT_EQ(m.axis(a).tier, ultra) << to_string(a);
        EXPECT_EQ(m.axis(a).limit, nullptr) << to_string(a);
    }
    EXPECT_EQ(m.said("tier.overall").value, "ultra");
    EXPECT_EQ(m.said("tier.limiting_axis").value, "none");
}

struct edge {
    const char* key;
    tier_axis axis;
    double at;     // just reaches `tier`
    double under;  // just not
    machine_tier tier;
};
constexpr double k_gib = 1024.0 * 1024 * 1024;
class tier_edges : public ::testing::TestWithParam<edge> {};

TEST_P(tier_edges, mission_D15_lie_exactly_where_the_table_says) {
    const auto& e = GetParam();
    machine m;
    m.set(e.key, e.at);
    EXPECT_GE(m.axis(e.axis).tier, e.tier) << e.key << " = " << e.at;
    m.set(e.key, e.under);
    const auto below = m.axis(e.axis);
    EXPECT_EQ(static_cast<int>(*below.tier), static_cast<int>(e.tier) - 1) << e.key << " = " << e.under;
    ASSERT_TRUE(below.limit);
    EXPECT_EQ(below.limit->key, e.key);
    EXPECT_NE(below.detail.find(e.key), std::string::npos) << below.detail;
    EXPECT_NE(below.detail.find(to_string(e.tier)), std::string::npos) << below.detail;
}
INSTANTIATE_TEST_SUITE_P(
    all, tier_edges,
    ::testing::Values(edge{"cpu.effective_cores", tier_axis::cpu, 2, 1.99, standard},
                      edge{"cpu.effective_cores", tier_axis::cpu, 8, 7.99, high},
                      edge{"cpu.effective_cores", tier_axis::cpu, 32, 31.9, ultra},
                      edge{"perf.single_int", tier_axis::cpu, 0.5, 0.499, standard},
                      edge{"perf.single_int", tier_axis::cpu, 0.8, 0.799, high},
                      edge{"perf.single_int", tier_axis::cpu, 1.0, 0.999, ultra},
                      edge{"perf.noise_ratio", tier_axis::cpu, 0.05, 0.0501, ultra},
                      edge{"memory.effective_bytes", tier_axis::memory, 4 * k_gib, 4 * k_gib - 1, standard},
                      edge{"memory.effective_bytes", tier_axis::memory, 16 * k_gib, 16 * k_gib - 1, high},
                      edge{"memory.effective_bytes", tier_axis::memory, 64 * k_gib, 64 * k_gib - 1, ultra},
                      edge{"perf.mem_triad_bps", tier_axis::memory, 8e9 * 8, 8e9 * 8 - 1, standard},
                      edge{"perf.mem_triad_bps", tier_axis::memory, 20e9 * 8, 20e9 * 8 - 1, high},
                      edge{"perf.mem_triad_bps", tier_axis::memory, 80e9 * 8, 80e9 * 8 - 1, ultra},
                      edge{"work.available_bytes", tier_axis::storage, 20e9, 20e9 - 1, standard},
                      edge{"work.available_bytes", tier_axis::storage, 100e9, 100e9 - 1, high},
                      edge{"work.available_bytes", tier_axis::storage, 500e9, 500e9 - 1, ultra},
                      edge{"perf.fsync_p50_us", tier_axis::storage, 20'000, 20'001, standard},
                      edge{"perf.fsync_p50_us", tier_axis::storage, 5'000, 5'001, high},
                      edge{"perf.fsync_p50_us", tier_axis::storage, 1'000, 1'001, ultra},
                      edge{"perf.disk_rand_iops", tier_axis::storage, 50'000, 49'999, ultra},
                      edge{"net.controller_rtt_us", tier_axis::network, 50'000, 50'001, standard},
                      edge{"net.controller_rtt_us", tier_axis::network, 10'000, 10'001, high},
                      edge{"net.controller_rtt_us", tier_axis::network, 1'000, 1'001, ultra},
                      edge{"net.controller_up_bps", tier_axis::network, 50e6, 50e6 - 1, standard},
                      edge{"net.controller_up_bps", tier_axis::network, 500e6, 500e6 - 1, high},
                      edge{"net.controller_down_bps", tier_axis::network, 5e9, 5e9 - 1, ultra}));

TEST(tiers, noise_and_random_reads_matter_for_ultra_alone) {
    machine m;
    m.set("perf.noise_ratio", 0.9).set("perf.disk_rand_iops", 1);
    EXPECT_EQ(m.axis(tier_axis::cpu).tier, high);
    EXPECT_EQ(m.axis(tier_axis::storage).tier, high);
}

TEST(tiers, mission_D15_a_figure_that_is_not_known_makes_the_axis_unknown_and_says_which) {
    machine m;
    m.lose("perf.single_int").fail("perf.fsync_p50_us", fact_status::denied, "the folder is not ours");
    m.set("cpu.effective_cores", 4);
    const auto cpu = m.said("tier.cpu");
    EXPECT_EQ(cpu.status, fact_status::error);
    EXPECT_TRUE(cpu.value.is_null());
    EXPECT_EQ(cpu.detail, "perf.single_int is not measured");
    const auto storage = m.said("tier.storage");
    EXPECT_EQ(storage.status, fact_status::denied);
    EXPECT_EQ(storage.detail, "perf.fsync_p50_us: denied (the folder is not ours)");
    const auto overall = m.said("tier.overall");
    EXPECT_EQ(overall.status, fact_status::error);
    EXPECT_EQ(overall.detail, "cpu is unknown, storage is unknown");
    EXPECT_EQ(m.said("tier.limiting_axis").status, fact_status::error);
    EXPECT_EQ(m.said("tier.memory").value, "ultra") << "the others are told all the same";
}

TEST(tiers, absent_and_unsupported_evidence_is_unknown_too_and_never_a_no) {
    for (const auto status : {fact_status::absent, fact_status::unsupported, fact_status::error}) {
        machine m;
        m.fail("perf.mem_triad_bps", status, "x");
        EXPECT_EQ(m.said("tier.memory").status, fact_status::error);
    }
    machine m;
    m.fail("perf.mem_triad_bps", fact_status::timeout, "not done within its 400 ms");
    EXPECT_EQ(m.said("tier.memory").status, fact_status::timeout);
}

TEST(tiers, what_decides_whatever_the_rest_is_needs_no_more_evidence) {
    machine m;
    m.lose("perf.single_int").set("cpu.effective_cores", 1);
    EXPECT_EQ(m.said("tier.cpu").value, "basic");
    EXPECT_EQ(m.said("tier.overall").value, "basic") << "nothing is lower";
    EXPECT_EQ(m.said("tier.limiting_axis").value, "cpu");
    machine disk;
    disk.lose("perf.disk_rand_iops").set("work.available_bytes", 200e9);
    EXPECT_EQ(disk.said("tier.storage").value, "high") << "random reads could only decide about ultra";
    disk.set("work.available_bytes", 900e9);
    EXPECT_EQ(disk.said("tier.storage").status, fact_status::error);
}

TEST(tiers, mission_D15_the_whole_is_the_lower_of_cpu_and_memory_and_one_step_less_for_a_basic_disk_or_network) {
    machine m;
    m.set("perf.mem_triad_bps", 30e9 * 8);
    EXPECT_EQ(m.said("tier.overall").value, "high");
    EXPECT_EQ(m.said("tier.limiting_axis").value, "memory");
    EXPECT_EQ(m.said("tier.overall").detail, "memory: perf.mem_triad_bps is 30 GB/s, ultra needs 80 GB/s");
    m.set("work.available_bytes", 1e9);
    EXPECT_EQ(m.said("tier.overall").value, "standard");
    EXPECT_EQ(m.said("tier.limiting_axis").value, "storage");
    m.set("net.controller_rtt_us", 1e6);
    EXPECT_EQ(m.said("tier.overall").value, "standard") << "one step, not two";
    m.set("cpu.effective_cores", 1);
    EXPECT_EQ(m.said("tier.overall").value, "basic");
    EXPECT_EQ(m.said("tier.limiting_axis").value, "cpu");
}

TEST(tiers, an_unknown_network_does_not_lower_the_whole_but_is_named) {
    machine m;
    m.lose("net.controller_rtt_us").lose("net.controller_up_bps").lose("net.controller_down_bps");
    const auto overall = m.said("tier.overall");
    EXPECT_EQ(overall.value, "ultra");
    EXPECT_EQ(overall.detail, "network is unknown");
}

TEST(tiers, a_stale_figure_still_counts_and_an_unsure_one_makes_the_tier_unsure) {
    machine m;
    m.change("perf.single_int", [](fact& f) {
        f.status = fact_status::stale;
        f.confidence = 60;
    });
    const auto cpu = m.said("tier.cpu");
    EXPECT_EQ(cpu.value, "ultra");
    EXPECT_EQ(cpu.confidence, 60);
    EXPECT_EQ(m.said("tier.memory").confidence, 100);
}

TEST(tiers, a_figure_that_was_disturbed_is_a_lower_bound_and_no_limit) {
    machine m;
    m.set("perf.single_int", 0.3).change("perf.single_int", [](fact& f) { f.confidence = 40; });
    const auto cpu = m.said("tier.cpu");
    EXPECT_EQ(cpu.status, fact_status::error);
    EXPECT_EQ(cpu.detail, "perf.single_int was measured on a disturbed machine: it may be better");
    m.set("perf.single_int", 0.6).change("perf.single_int", [](fact& f) { f.confidence = 40; });
    m.set("cpu.effective_cores", 4);
    EXPECT_EQ(m.said("tier.cpu").value, "standard") << "more than four cores allow it is in no case";
    EXPECT_EQ(m.said("tier.cpu").confidence, 40);
}

TEST(tiers, the_score_is_a_power_of_two_of_the_baseline_machine) {
    machine m;
    const double now = m.said("tier.score").value.as_double();
    m.set("perf.all_int", 120).set("perf.mem_triad_bps", 400e9 * 8);
    EXPECT_NEAR(m.said("tier.score").value.as_double(), now + 1, 0.011);
    m.lose("perf.all_int");
    EXPECT_EQ(m.said("tier.score").status, fact_status::error);
}

TEST(tiers, a_graphics_processor_is_never_guessed_at) {
    machine m;
    EXPECT_EQ(m.said("tier.gpu").status, fact_status::absent);
    EXPECT_EQ(m.set("gpu.count", 2).said("tier.gpu").status, fact_status::unsupported);
    EXPECT_EQ(m.lose("gpu.count").said("tier.gpu").status, fact_status::error);
}

TEST(tiers, facts_without_any_figure_say_nothing_of_tiers_and_declared_ones_stay) {
    fact f;
    f.key = "custom.x";
    std::vector<fact> none{f};
    add_tiers(none);
    EXPECT_EQ(none.size(), 1u);

    fact cores, declared, old;
    cores.key = "cpu.effective_cores";
    cores.value = 1;
    declared.key = "tier.cpu";
    declared.value = "ultra";
    declared.method = "declared";
    old.key = "tier.memory";
    old.value = "ultra";
    old.method = "derived";
    std::vector<fact> facts{cores, declared, old};
    add_tiers(facts);
    const capability_document all(facts);
    EXPECT_EQ(all.find("tier.cpu")->value, "ultra");
    EXPECT_EQ(all.find("tier.memory")->status, fact_status::error) << "there is nothing that shows it any more";
    EXPECT_EQ(all.find("tier.overall")->method, "derived");
    for (const auto& each : all.facts())
        if (each.key.starts_with("tier.")) {
            EXPECT_TRUE(fact_from_json(to_json(each))) << each.key;
        }
}

TEST(tiers, figures_that_are_no_numbers_are_not_known) {
    machine m;
    m.change("cpu.effective_cores", [](fact& f) { f.value = "many"; });
    EXPECT_EQ(m.said("tier.cpu").status, fact_status::error);
}

}  // namespace
}  // namespace sigrun
