// The plugin through its table: what it chooses, and when it changes its mind.
#include <sigrun/balancer.h>
#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

namespace {

using namespace sigrun;

constexpr std::uint32_t k_performance = 1, k_idle = 2, k_least = 3, k_round = 4, k_affinity = 5, k_geographic = 6;
constexpr std::uint32_t k_class = 7;

class adaptive : public testing::Test {
protected:
    void make(const std::map<std::string, std::string>& options = {}) {
        instance = host.start(host.create("adaptive", options));
        table = static_cast<const sigrun_balancer*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_BALANCER)));
        know({{"performance", k_performance},
              {"idle_first", k_idle},
              {"least_connections", k_least},
              {"round_robin", k_round}});
    }
    void know(const std::map<std::string, std::uint32_t>& loaded) {
        std::vector<sigrun_policy_name> names;
        for (const auto& [name, id] : loaded) names.push_back({sdk::str(name), sdk::str(name), id, 0});
        EXPECT_EQ(table->policies(instance, names.data(), static_cast<std::uint32_t>(names.size())), SIGRUN_OK);
    }
    std::vector<sigrun_choice> choices(std::uint32_t runners = 100, std::uint32_t places = 800) {
        const sigrun_class_stats stats{k_class, runners, places, 1, 0.5, 1, 0, key_reuse, 0, NAN};
        std::vector<sigrun_choice> out(SIGRUN_PRIORITIES);
        out.resize(table->decide(instance, &stats, 1, out.data()));
        return out;
    }
    sigrun_choice choice() {
        const auto all = choices();
        EXPECT_EQ(all.size(), 1u);
        return all.empty() ? sigrun_choice{} : all.front();
    }
    struct figures {
        double mean = 2, p99 = 10;
    };
    /// A window in which each policy's jobs fared so, and what is chosen after it.
    sigrun_choice window(const std::map<std::uint32_t, figures>& by, std::uint64_t jobs = 100'000) {
        const sigrun_choice now = choice();
        std::vector<sigrun_policy_stats> rows;
        const auto row = [&](std::uint32_t policy, std::uint64_t n) {
            const auto f = by.contains(policy) ? by.at(policy) : figures{};
            rows.push_back({k_class, policy, n, f.mean, f.mean * 2, f.p99, 10});
        };
        row(now.policy, jobs - jobs / 50);
        if (now.other) row(now.other, jobs / 50);
        table->observe(instance, rows.data(), static_cast<std::uint32_t>(rows.size()));
        return choice();
    }
    /// Windows until it chooses another policy; 0: not within `most`.
    int windows_until_switch(const std::map<std::uint32_t, figures>& by, int most) {
        const std::uint32_t before = choice().policy;
        for (int i = 1; i <= most; ++i)
            if (window(by).policy != before) return i;
        return 0;
    }

    double key_reuse = NAN;
    sdk::mock_host host;
    sigrun_instance* instance = nullptr;
    const sigrun_balancer* table = nullptr;
};

TEST_F(adaptive, mission_A4_before_there_is_evidence_the_fleet_decides) {
    make();
    EXPECT_EQ(choices(100, 800).at(0).policy, k_performance);
    EXPECT_EQ(choices(100, 800).at(0).explore_ppm, 0u);
    EXPECT_EQ(choices(100, 800).at(0).why, SIGRUN_CHOICE_PRIOR);
    make();
    EXPECT_EQ(choices(20, 20).at(0).policy, k_idle);
    make();
    EXPECT_EQ(choices(1000, 1000).at(0).policy, k_performance);
}

TEST_F(adaptive, keys_that_recur_speak_for_affinity) {
    make();
    const auto with_affinity = std::map<std::string, std::uint32_t>{
        {"performance", k_performance}, {"idle_first", k_idle}, {"affinity", k_affinity}};
    know(with_affinity);
    EXPECT_EQ(choice().policy, k_performance);
    key_reuse = 0.49;
    EXPECT_EQ(choice().policy, k_performance);
    key_reuse = 0.5;
    EXPECT_EQ(choice().policy, k_affinity) << "nothing has been measured that would be lost";
    EXPECT_EQ(choice().why, SIGRUN_CHOICE_PRIOR);
    // It keeps picking while it is no worse; others are tried beside it.
    for (int i = 0; i < 9; ++i) EXPECT_EQ(window({}).policy, k_affinity) << i;
    EXPECT_NE(choice().other, 0);
    // The keys do not recur any more.
    key_reuse = 0;
    EXPECT_EQ(choice().policy, k_performance);
    // They do again, but the last switch is too young, and while it is judged nothing else happens.
    key_reuse = 0.9;
    EXPECT_EQ(window({}).policy, k_performance);
    EXPECT_EQ(window({}).policy, k_performance);
    EXPECT_EQ(window({}).policy, k_affinity);
    // It made the jobs slower: that is undone, and not tried again because of the same keys.
    for (int i = 0; i < 2; ++i) EXPECT_EQ(window({{k_affinity, {2, 20}}}).policy, k_affinity);
    EXPECT_EQ(window({{k_affinity, {2, 20}}}).policy, k_performance);
    EXPECT_EQ(choice().why, SIGRUN_CHOICE_ROLLBACK);
    for (int i = 0; i < 30; ++i) EXPECT_EQ(window({}).policy, k_performance) << i;
    // Where it is not loaded, keys do not matter.
    make();
    EXPECT_EQ(choice().policy, k_performance);
}

TEST_F(adaptive, what_was_learned_outweighs_what_was_expected) {
    make();
    know({{"performance", k_performance}, {"idle_first", k_idle}, {"affinity", k_affinity}});
    EXPECT_GT(windows_until_switch({{k_performance, {3, 10}}, {k_idle, {2, 8}}}, 20), 0);
    for (int i = 0; i < 6; ++i) window({});
    key_reuse = 1;
    EXPECT_EQ(choice().policy, k_idle);
}

TEST_F(adaptive, mission_C19_geographic_is_tried_where_it_is_offered) {
    make();
    const auto tried = [&] {
        std::set<std::uint32_t> out;
        for (int i = 0; i < 12; ++i) out.insert(window({}).other);
        return out;
    };
    EXPECT_EQ(tried(), (std::set<std::uint32_t>{k_idle, k_least}));
    know({{"performance", k_performance}, {"idle_first", k_idle}, {"geographic", k_geographic}});
    EXPECT_EQ(tried(), (std::set<std::uint32_t>{k_idle, k_geographic}));
    EXPECT_GT(windows_until_switch({{k_performance, {3, 10}}, {k_idle, {3, 10}}, {k_geographic, {2, 8}}}, 20), 0);
    EXPECT_EQ(choice().policy, k_geographic);
    know({{"performance", k_performance}, {"idle_first", k_idle}});
    EXPECT_EQ(choice().policy, k_performance);
    EXPECT_EQ(choice().why, SIGRUN_CHOICE_LOST);
}

TEST_F(adaptive, where_none_of_the_usual_is_loaded_another_one_picks) {
    make();
    know({{"round_robin", k_round}});
    EXPECT_EQ(choice().policy, k_round);
    know({});
    EXPECT_TRUE(choices().empty());
}

TEST_F(adaptive, mission_A4_the_seeds_rule_goes_by_priority) {
    make({{"rule", "seed"}});
    std::map<unsigned, std::uint32_t> by;
    for (const auto& c : choices())
        for (unsigned p = 0; p < SIGRUN_PRIORITIES; ++p)
            if (c.priorities >> p & 1) by[p] = c.policy;
    EXPECT_EQ(by, (std::map<unsigned, std::uint32_t>{
                      {0, k_performance}, {1, k_least}, {2, k_round}, {3, k_round}, {4, k_round}}));
}

TEST_F(adaptive, it_tries_the_others_in_turn_with_a_share_of_the_picks) {
    make({{"explore", "0.03"}});
    std::map<std::uint32_t, int> tried;
    for (int i = 0; i < 12; ++i) {
        const sigrun_choice c = window({});
        EXPECT_EQ(c.policy, k_performance);
        EXPECT_EQ(c.explore_ppm, 30'000u);
        ++tried[c.other];
    }
    EXPECT_EQ(tried, (std::map<std::uint32_t, int>{{k_idle, 6}, {k_least, 6}}));
}

TEST_F(adaptive, mission_A4_it_switches_after_three_windows_of_sure_gain) {
    make();
    // One to begin with the trial of idle_first, three that count.
    EXPECT_EQ(windows_until_switch({{k_performance, {3, 10}}, {k_idle, {2, 8}}}, 20), 4);
    EXPECT_EQ(choice().policy, k_idle);
    EXPECT_EQ(choice().why, SIGRUN_CHOICE_EVIDENCE);
}

TEST_F(adaptive, a_gain_that_is_small_or_not_sure_is_not_followed) {
    make();
    EXPECT_EQ(windows_until_switch({{k_performance, {2.08, 10}}, {k_idle, {2, 8}}, {k_least, {2.08, 10}}}, 60), 0);
    make();
    // 2000 jobs, 40 of them with the other.
    for (int i = 0; i < 30; ++i) EXPECT_EQ(window({{k_performance, {3, 10}}}, 2000).policy, k_performance);
}

TEST_F(adaptive, the_gain_must_hold_in_three_windows_in_a_row) {
    make();
    for (int i = 0; i < 20; ++i) {
        const bool good = i % 3 != 0;
        EXPECT_EQ(window({{k_performance, {good ? 3. : 2., 10}}}).policy, k_performance) << i;
    }
}

TEST_F(adaptive, mission_A4_with_few_jobs_nothing_is_tried) {
    make();
    for (int i = 0; i < 20; ++i) {
        const sigrun_choice c = window({{k_performance, {9, 90}}}, 999);
        EXPECT_EQ(c.policy, k_performance);
        EXPECT_EQ(c.other, 0);
    }
    EXPECT_NE(window({}).other, 0);
    EXPECT_EQ(window({}, 999).other, 0);
}

TEST_F(adaptive, mission_A4_a_switch_that_made_it_worse_is_undone_and_the_next_comes_later) {
    make();
    int dwell = 3;
    for (int round = 0; round < 7; ++round) {
        // While it is tried idle_first looks better; once it picks, it is worse.
        const int waited = windows_until_switch({{k_performance, {3, 10}}, {k_idle, {2, 30}}, {k_least, {3, 10}}}, 200);
        EXPECT_GE(waited, dwell) << round;
        EXPECT_LE(waited, dwell + 8) << round;
        ASSERT_EQ(choice().policy, k_idle);
        EXPECT_EQ(windows_until_switch({{k_idle, {2, 10.6}}}, 20), 3) << round;
        EXPECT_EQ(choice().policy, k_performance);
        EXPECT_EQ(choice().why, SIGRUN_CHOICE_ROLLBACK);
        dwell = std::min(2 * dwell, 60);  // ten minutes at most
    }
}

TEST_F(adaptive, a_switch_that_proved_good_stays) {
    make();
    ASSERT_EQ(windows_until_switch({{k_performance, {3, 10}}, {k_idle, {2, 8}}}, 20), 4);
    EXPECT_EQ(windows_until_switch({{k_performance, {3, 10}}, {k_idle, {2, 10.4}}, {k_least, {3, 10}}}, 100), 0);
}

TEST_F(adaptive, mission_A4_at_most_one_switch_in_thirty_seconds) {
    make();
    // Whoever is tried looks better than who picks.
    int since = 0, switches = 0;
    std::uint32_t before = choice().policy;
    for (int i = 0; i < 500; ++i) {
        std::map<std::uint32_t, figures> by{{choice().policy, {3, i % 7 ? 10. : 30.}}};
        const std::uint32_t now = window(by).policy;
        ++since;
        if (now == before) continue;
        EXPECT_GE(since, 3) << i;
        since = 0;
        before = now;
        ++switches;
    }
    EXPECT_GT(switches, 10);
}

TEST_F(adaptive, a_policy_that_vanishes_is_left) {
    make();
    ASSERT_EQ(choice().policy, k_performance);
    know({{"idle_first", k_idle}, {"least_connections", k_least}});
    EXPECT_EQ(choice().policy, k_idle);
    EXPECT_EQ(choice().why, SIGRUN_CHOICE_LOST);
    while (choice().other != k_least) window({});
    know({{"idle_first", k_idle}});
    EXPECT_EQ(choice().other, 0);
    EXPECT_EQ(window({}).other, 0);
}

TEST_F(adaptive, only_the_policies_named_are_tried) {
    make({{"policies", "round_robin, idle_first, nobody"}});
    EXPECT_EQ(choice().policy, k_round);  // performance is not among them
    for (int i = 0; i < 10; ++i) EXPECT_EQ(window({}).other, k_idle);
    make({{"explore", "0"}});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(window({{k_performance, {9, 90}}}).other, 0);
}

TEST_F(adaptive, on_a_host_that_does_not_ask_it_to_choose_it_picks_nobody) {
    make();
    sigrun_view view{};
    sigrun_req req{};
    sigrun_pick out{};
    out.n = 3;
    EXPECT_EQ(table->pick(nullptr, &view, &req, 1, nullptr, &out), 0u);
    EXPECT_EQ(out.n, 0);
}

}  // namespace
