// Tiers over time.
#include "kernel/capability/tier_keeper.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using enum machine_tier;

class tier_history : public ::testing::Test {
protected:
    tier_history() {
        set("cpu.effective_cores", 16);
        measure(0.7);
    }
    void set(const std::string& key, double value) {
        auto& f = facts_[key];
        f.key = key;
        f.value = value;
        f.observed_ns = ++time_;
    }
    /// A run of the benchmark.
    void measure(double single, double noise = 0.01) {
        set("perf.single_int", single);
        set("perf.noise_ratio", noise);
    }
    axis_tier cpu() {
        const fact_lookup find = [this](std::string_view key) {
            const auto at = facts_.find(std::string(key));
            return at == facts_.end() ? nullptr : &at->second;
        };
        return keeper_.settle(judge_tiers(find), find)[0];
    }
    std::map<std::string, fact> facts_;
    std::int64_t time_ = 0;
    tier_keeper keeper_;
};

TEST_F(tier_history, the_first_figures_count_at_once) { EXPECT_EQ(cpu().tier, standard); }

TEST_F(tier_history, mission_D15_up_takes_two_runs_with_ten_percent_to_spare) {
    cpu();
    measure(0.9);
    const auto first = cpu();
    EXPECT_EQ(first.tier, standard);
    EXPECT_NE(first.detail.find("high"), std::string::npos) << first.detail;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(cpu().tier, standard) << "the same run looked at again is no second one";
    measure(0.9);
    EXPECT_EQ(cpu().tier, high);
}

TEST_F(tier_history, just_over_the_gate_is_not_enough_and_begins_the_count_anew) {
    cpu();
    for (int i = 0; i < 4; ++i) {
        measure(0.85);  // less than 0.88
        EXPECT_EQ(cpu().tier, standard);
    }
    measure(0.9);
    EXPECT_EQ(cpu().tier, standard);
    measure(0.85);
    EXPECT_EQ(cpu().tier, standard);
    measure(0.9);
    EXPECT_EQ(cpu().tier, standard);
    measure(0.9);
    EXPECT_EQ(cpu().tier, high);
}

TEST_F(tier_history, mission_D15_down_at_once_when_a_limit_changes) {
    measure(0.95);
    EXPECT_EQ(cpu().tier, high);
    set("cpu.effective_cores", 2);
    EXPECT_EQ(cpu().tier, standard);
    set("cpu.effective_cores", 1);
    EXPECT_EQ(cpu().tier, basic);
}

TEST_F(tier_history, up_again_when_the_limit_is_seen_lifted_twice) {
    measure(0.95);
    set("cpu.effective_cores", 2);
    EXPECT_EQ(cpu().tier, standard);
    set("cpu.effective_cores", 16);
    EXPECT_EQ(cpu().tier, standard);
    set("cpu.effective_cores", 16);
    EXPECT_EQ(cpu().tier, high) << "a limit is exact: no ten percent, and no new measurement";
}

TEST_F(tier_history, mission_D15_one_bad_measurement_changes_nothing_two_do) {
    measure(0.95);
    EXPECT_EQ(cpu().tier, high);
    measure(0.3);
    EXPECT_EQ(cpu().tier, high);
    EXPECT_EQ(cpu().tier, high) << "the same run";
    measure(0.95);
    EXPECT_EQ(cpu().tier, high);
    measure(0.3);
    EXPECT_EQ(cpu().tier, high) << "not in a row";
    measure(0.3);
    EXPECT_EQ(cpu().tier, basic);
}

TEST_F(tier_history, the_way_to_ultra_and_back) {
    set("cpu.effective_cores", 64);
    measure(0.9);
    EXPECT_EQ(cpu().tier, high);
    measure(1.2);
    EXPECT_EQ(cpu().tier, high);
    measure(1.2);
    EXPECT_EQ(cpu().tier, ultra);
    measure(1.2, 0.2);
    EXPECT_EQ(cpu().tier, ultra);
    measure(1.2, 0.2);
    EXPECT_EQ(cpu().tier, high);
}

TEST_F(tier_history, what_becomes_unknown_is_unknown_at_once_and_begins_anew) {
    measure(0.95);
    EXPECT_EQ(cpu().tier, high);
    facts_.erase("perf.single_int");
    EXPECT_FALSE(cpu().tier);
    measure(0.6);
    EXPECT_EQ(cpu().tier, standard);
}

}  // namespace
}  // namespace sigrun
