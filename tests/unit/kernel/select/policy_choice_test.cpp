// A balancer that chooses among the others, in a selector with virtual time.
#include "kernel/select/predicate.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using namespace sigrun;
using namespace sigrun::test;
using std::chrono::seconds;

/// Always the last slot that can take a job: the slowest runner.
void propose_last(const sigrun_view& view, const sigrun_req&, const std::uint64_t* pages, sigrun_pick& out) {
    out.n = 0;
    for (std::uint32_t page = view.n_pages; page-- && !out.n;)
        for (int t = 0; t < SIGRUN_TIERS && pages[page / 64] >> (page % 64) & 1; ++t)
            if (const std::uint64_t idle = view.idle[t][page]) {
                const std::uint32_t slot = page * 64 + 63 - static_cast<std::uint32_t>(std::countl_zero(idle));
                if (!out.n || slot > out.slot[0]) out.slot[0] = slot;
                out.n = 1;
            }
}

class choosing : public testing::Test {
protected:
    void make(std::vector<std::shared_ptr<instance>> balancers, const std::string& standard = "adaptive") {
        selector::options o;
        o.default_balancer = standard;
        o.time = &time;
        o.seed = 5;
        o.protect.slow_start = nanoseconds(0);
        index = selector::create(o, std::move(balancers)).value();
        // Twenty runners with eight places; the last is ten times as slow as the others.
        for (int i = 0; i < 20; ++i) slots.push_back(join(*index, profile(machine(), 8)));
        any = index->intern(compiled(""));
    }
    pick_result pick(std::uint16_t priority = 2) {
        pick_request q;
        q.pred = any.get();
        q.priority = priority;
        return index->pick(q);
    }
    /// Jobs one after the other; a tick after each second. Returns who picked how often.
    std::map<std::string, int> run(int for_seconds, int jobs_per_second = 1000) {
        std::map<std::string, int> by;
        for (int s = 0; s < for_seconds; ++s) {
            for (int i = 0; i < jobs_per_second; ++i) {
                const pick_result got = pick();
                EXPECT_EQ(got.outcome, pick_outcome::picked);
                ++by[std::string(index->balancer_name(got.explain.policy))];
                job_feedback f;
                f.slot = got.slot;
                f.pred = any.get();
                f.affinity_key = keys ? 1 + static_cast<std::uint64_t>(i) % keys : 0;
                f.end.exec_us = got.slot == slots.back() ? 10'000 : 1000;
                index->feedback(f, got.explain.policy);
                index->release(got.slot);
            }
            time.advance(seconds(1));
            index->tick();
        }
        return by;
    }
    std::string decided() { return std::string(index->balancer_name(pick_and_release().explain.policy)); }
    pick_result pick_and_release(std::uint16_t priority = 2) {
        const pick_result got = pick(priority);
        index->release(got.slot);
        return got;
    }

    std::uint64_t keys = 0;  // different ones among the jobs; 0: they have none
    manual_clock time;
    std::unique_ptr<selector> index;
    std::vector<slot_ref> slots;
    predicate_ptr any;
};

TEST_F(choosing, mission_A4_a_policy_that_is_bad_here_is_left_and_the_switch_is_told) {
    make({real_balancer("adaptive"), scripted::make("performance", propose_last), real_balancer("idle_first"),
          real_balancer("least_connections")});
    auto early = run(5);
    EXPECT_EQ(early["performance"], 5000);  // the prior; nothing is tried yet
    run(95);
    const auto late = run(20);
    EXPECT_FALSE(late.contains("performance") && late.at("performance") > 1000);
    const auto told = index->policy_switches();
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told[0].from, "performance");
    EXPECT_NE(told[0].to, "performance");
    EXPECT_EQ(told[0].why, policy_reason::evidence);
    EXPECT_GT(told[0].of_from.mean, 1.5 * told[0].of_to.mean);
    EXPECT_GT(told[0].of_from.jobs, 9000u);
    EXPECT_GT(told[0].of_to.jobs, 100u);
    EXPECT_LE(told.size(), 4u);  // in 120 s
    EXPECT_TRUE(index->policy_switches().empty());

    const policy_standing now = index->policy_of(*any);
    EXPECT_EQ(now.policy, told.back().to);
    EXPECT_EQ(now.why, told.back().why);
    EXPECT_GT(now.picking.jobs, 9000u);
    EXPECT_GE(now.since, seconds(10));
}

TEST_F(choosing, mission_A4_a_share_of_the_picks_tries_another_policy) {
    make({real_balancer("adaptive"), real_balancer("performance"), real_balancer("idle_first")});
    run(12);
    auto by = run(20);
    EXPECT_NEAR(by["idle_first"], 400, 100);
    EXPECT_EQ(by["performance"] + by["idle_first"], 20'000);
    const policy_standing now = index->policy_of(*any);
    EXPECT_EQ(now.tried, "idle_first");
    EXPECT_DOUBLE_EQ(now.tried_share, 0.02);
}

TEST_F(choosing, mission_C18_without_permission_nothing_is_tried_or_switched) {
    make({real_balancer("adaptive"), scripted::make("performance", propose_last), real_balancer("idle_first")});
    index->allow_switching(false);
    auto by = run(100);
    EXPECT_EQ(by["performance"], 100'000);
    EXPECT_TRUE(index->policy_switches().empty());
    index->allow_switching(true);
    run(60);
    EXPECT_EQ(index->policy_switches().size(), 1u);
}

TEST_F(choosing, mission_C19_geographic_is_among_the_choices_when_that_is_allowed) {
    make({real_balancer("adaptive"), real_balancer("performance"), real_balancer("geographic")});
    EXPECT_EQ(run(40)["performance"], 40'000);
    index->offer_geographic(true);
    EXPECT_GT(run(40)["geographic"], 200);
    index->offer_geographic(false);
    run(1);
    EXPECT_EQ(run(40)["performance"], 40'000);
}

TEST_F(choosing, keys_that_recur_are_counted_and_lead_to_affinity) {
    make({real_balancer("adaptive"), real_balancer("performance"), real_balancer("affinity")});
    run(12);
    EXPECT_EQ(decided(), "performance");
    keys = 900;  // of 1000 a second, so after the first second all have come before
    run(40);
    EXPECT_EQ(index->policy_of(*any).policy, "affinity");
    EXPECT_EQ(index->chooser(0), "adaptive");
    EXPECT_EQ(index->chooser(index->balancer_id("affinity")), "");
}

TEST(key_memory, the_share_of_jobs_whose_key_came_before) {
    key_memory m;
    EXPECT_TRUE(std::isnan(m.take_reuse()));
    for (std::uint64_t key = 1; key <= 100; ++key) m.note(key);
    EXPECT_EQ(m.take_reuse(), 0);
    for (std::uint64_t key = 1; key <= 50; ++key) m.note(key);
    for (int i = 0; i < 150; ++i) m.note(0);
    EXPECT_NEAR(m.take_reuse(), 0.25, 0.02) << "it remembers over windows; jobs without a key count as others";
    // More keys than it has room for: fewer again than there are, and never more.
    for (int round = 0; round < 3; ++round)
        for (std::uint64_t key = 1; key <= 20'000; ++key) m.note(key);
    EXPECT_LT(m.take_reuse(), 0.1);
}

TEST_F(choosing, mission_A4_the_seeds_rule_goes_by_priority) {
    make({real_balancer("adaptive", {{"rule", "seed"}}), real_balancer("performance"), real_balancer("round_robin"),
          real_balancer("least_connections")});
    const auto of = [&](std::uint16_t priority) {
        return std::string(index->balancer_name(pick_and_release(priority).explain.policy));
    };
    run(3);
    EXPECT_EQ(of(0), "performance");
    EXPECT_EQ(of(1), "least_connections");
    for (const std::uint16_t p : std::initializer_list<std::uint16_t>{2, 3, 4, 9}) EXPECT_EQ(of(p), "round_robin") << p;
}

TEST_F(choosing, the_first_job_already_has_the_prior) {
    make({scripted::make("aaa", propose_last), real_balancer("adaptive"), real_balancer("performance")}, "adaptive");
    EXPECT_EQ(decided(), "performance");
}

TEST_F(choosing, jobs_that_name_a_balancer_get_it) {
    make({real_balancer("idle_first"), real_balancer("adaptive"), real_balancer("performance")}, "idle_first");
    EXPECT_EQ(decided(), "idle_first");
    pick_request q;
    q.pred = any.get();
    q.balancer = index->balancer_id("adaptive");
    const auto got = index->pick(q);
    EXPECT_EQ(got.outcome, pick_outcome::picked);
    EXPECT_NE(index->balancer_name(got.explain.policy), "adaptive");
}

TEST_F(choosing, the_chosen_policy_may_be_removed_and_replaced) {
    const auto performance = real_balancer("performance");
    make({real_balancer("adaptive"), performance, real_balancer("idle_first")});
    run(3);
    EXPECT_EQ(decided(), "performance");
    const auto newer = real_balancer("performance");
    ASSERT_TRUE(index->replace(performance, newer));
    EXPECT_EQ(decided(), "performance");
    run(1);
    EXPECT_TRUE(index->policy_switches().empty());

    ASSERT_TRUE(index->remove_balancer(newer));
    EXPECT_EQ(decided(), "idle_first");  // at once, before the next tick
    run(1);
    const auto told = index->policy_switches();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].why, policy_reason::lost);
    EXPECT_EQ(told[0].to, "idle_first");
}

TEST_F(choosing, alone_the_built_in_choice_decides) {
    make({real_balancer("adaptive")});
    const auto got = pick_and_release();
    EXPECT_EQ(got.outcome, pick_outcome::picked);
    EXPECT_EQ(got.explain.reason, SIGRUN_WHY_BUILTIN_FALLBACK);
    run(3);
    EXPECT_EQ(pick_and_release().outcome, pick_outcome::picked);
}

/// Chooses nonsense.
TEST_F(choosing, choices_that_make_no_sense_are_ignored) {
    const auto mad = scripted::make("mad", propose_nothing);
    auto* table = &reinterpret_cast<scripted*>(mad->abi())->table;
    table->decide = [](sigrun_instance*, const sigrun_class_stats* stats, std::uint32_t n, sigrun_choice* out) {
        for (std::uint32_t i = 0; i < n; ++i) out[i] = {stats[i].class_id, 77, 5'000'000, 99, 0, 200};
        out[0].policy = 1;  // itself
        return ~0u;
    };
    make({mad, real_balancer("idle_first")}, "mad");
    auto by = run(15);
    EXPECT_EQ(by["idle_first"], 15'000);
    EXPECT_TRUE(index->policy_of(*any).policy.empty());
}

TEST_F(choosing, what_it_is_told_of_a_class_is_true) {
    static std::vector<sigrun_class_stats> seen;
    seen.clear();
    const auto spy = scripted::make("spy", propose_nothing);
    auto* table = &reinterpret_cast<scripted*>(spy->abi())->table;
    table->decide = [](sigrun_instance*, const sigrun_class_stats* stats, std::uint32_t n, sigrun_choice*) {
        seen.assign(stats, stats + n);
        return 0u;
    };
    make({spy, real_balancer("idle_first")}, "spy");
    index->set_open(slots[0], false);
    run(1);
    std::vector<slot_ref> held;
    for (int i = 0; i < 38; ++i) held.push_back(pick().slot);
    run(12);
    ASSERT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0].class_id, 0u);
    EXPECT_TRUE(std::isnan(seen[0].exec_cv));
    const auto& s = seen[1];
    EXPECT_EQ(s.class_id, any->id());
    EXPECT_EQ(s.runners, 19u);
    EXPECT_EQ(s.places, 152u);
    EXPECT_DOUBLE_EQ(s.idle, 1 - 38.0 / 152);
    EXPECT_EQ(s.dispatchers, 1u);
    EXPECT_GE(s.exec_cv, 0);
    EXPECT_LT(s.wait_p99_us, 1);
    EXPECT_EQ(s.key_reuse, 0) << "no job has a key";
    for (const slot_ref slot : held) index->release(slot);
}

TEST(log_histogram, quantiles_are_near) {
    log_histogram h;
    EXPECT_TRUE(std::isnan(h.quantile(0.5)));
    for (int i = 1; i <= 10'000; ++i) h.note(i * 0.01);
    EXPECT_NEAR(h.quantile(0.5), 50, 1);
    EXPECT_NEAR(h.quantile(0.99), 99, 2);
    h.note(1e300);
    h.note(-1);
    h.clear();
    EXPECT_TRUE(std::isnan(h.quantile(0.5)));
}

}  // namespace
