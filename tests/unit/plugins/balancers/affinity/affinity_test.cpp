#include "unit/plugins/balancers/affinity/this_plugin.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

namespace {

using namespace sigrun;
using namespace sigrun::test;

/// Which runner, by identity, has each of the keys 1 to n when nobody has anything to do.
std::vector<std::uint64_t> owners(affinity_plugin& p, const hand_kept_fleet& fleet, std::uint64_t n) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t key = 1; key <= n; ++key) {
        const sigrun_pick got = p.pick(fleet, key);
        EXPECT_EQ(got.n, 1);
        EXPECT_EQ(got.reason, SIGRUN_WHY_AFFINITY);
        out.push_back(fleet.identity[got.slot[0]]);
    }
    return out;
}

TEST(affinity, keys_are_shared_in_proportion_to_places_and_weight) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    std::map<std::uint64_t, double> weight;
    auto join = [&](std::uint32_t n, hand_kept_fleet::kind k, std::uint64_t identity) {
        fleet.add(n, k, identity);
        for (std::uint32_t i = 0; i < n; ++i) weight[identity + i] = k.places * k.weight;
    };
    join(30, {1, 1024}, 1000);
    join(70, {4, 1024}, 2000);
    join(20, {2, 3000}, 3000);
    for (int update = 0; update < 3; ++update) {
        double sum = 0;
        for (const auto& [id, w] : weight) sum += w;
        std::map<std::uint64_t, int> got;
        constexpr int k_keys = 60'000;
        for (std::uint64_t id : owners(p, fleet, k_keys)) ++got[id];
        double chi = 0;
        for (const auto& [id, w] : weight) {
            const double want = k_keys * w / sum;
            chi += (got[id] - want) * (got[id] - want) / want;
        }
        EXPECT_LT(chi, chi_square_limit(static_cast<double>(weight.size() - 1))) << update;
        join(9, {static_cast<std::uint16_t>(3 + update), 700}, 10'000 + 100 * static_cast<std::uint64_t>(update));
    }
}

TEST(affinity, a_runner_that_leaves_or_joins_moves_few_keys_but_its_own) {
    for (const std::uint32_t n : {10u, 100u, 400u, 3000u}) {
        affinity_plugin p;
        hand_kept_fleet fleet;
        fleet.add(n, {2}, 500);
        constexpr std::uint64_t k_keys = 15'000;
        double moved = 0, needless = 0;
        constexpr int k_leavers = 3;
        for (std::uint32_t i = 0; i < k_leavers; ++i) {
            const auto before = owners(p, fleet, k_keys);
            const std::uint32_t slot = n / 5 * (i + 1) - 1;
            const std::uint64_t gone = fleet.identity[slot];
            fleet.remove(slot);
            const auto without = owners(p, fleet, k_keys);
            for (std::size_t k = 0; k < k_keys; ++k) {
                ASSERT_NE(without[k], gone);
                moved += before[k] != without[k];
                needless += before[k] != without[k] && before[k] != gone;
            }
            // Back, elsewhere: everything is as it was.
            fleet.add(1, {2}, gone);
            EXPECT_EQ(owners(p, fleet, k_keys), before);
        }
        // Its own are 1/n; the groups of 512 that the order has above it let as many again change where there are
        // many runners to a group.
        EXPECT_LT(moved / k_leavers / k_keys, 2.4 / n) << n;
        EXPECT_GT(moved / k_leavers / k_keys, 0.4 / n) << n;
        EXPECT_LT(needless / k_leavers / k_keys, n <= 100 ? 0.5 / n : 1.4 / n) << n;
    }
}

TEST(affinity, keys_find_their_runners_after_a_restart_in_which_slots_change) {
    for (const std::uint32_t n : {60u, 700u, 20'000u}) {
        affinity_plugin before, after;
        hand_kept_fleet one, other;
        one.add(n / 2, {2}, 1);
        one.add(n - n / 2, {3}, 1 + n / 2);
        other.add(n - n / 2, {3}, 1 + n / 2);
        other.add(64, {1}, 900'000);  // were there for a while
        other.add(n / 2, {2}, 1);
        for (std::uint32_t i = 0; i < 64; ++i) other.remove((n - n / 2 + 63) / 64 * 64 + i);
        EXPECT_EQ(owners(before, one, 4000), owners(after, other, 4000)) << n;
    }
}

TEST(affinity, no_runner_gets_more_than_its_share_times_the_bound) {
    for (const auto& [option, bound] : std::map<std::string, double>{{"1.05", 1.05}, {"1.25", 1.25}, {"4", 4.0}}) {
        affinity_plugin p({{"bound", option}});
        hand_kept_fleet fleet;
        fleet.add(40, {50}, 1);
        fleet.add(20, {25}, 101);
        const double all = 40 * 50 + 20 * 25;
        int at_bound = 0, spilled = 0;
        for (int jobs = 0; jobs < 600; ++jobs) {
            const sigrun_pick got = p.pick(fleet, 7 + jobs % 3);  // three keys for sixty runners
            ASSERT_EQ(got.n, 1);
            const std::uint32_t slot = got.slot[0];
            const double limit = std::ceil((jobs + 1) * bound * fleet.of(slot).places / all);
            ASSERT_LT(fleet.jobs(slot), limit) << jobs;
            at_bound += fleet.jobs(slot) + 1 == static_cast<std::uint32_t>(limit);
            spilled += got.reason == SIGRUN_WHY_AFFINITY_SPILL;
            fleet.claim(slot);
        }
        EXPECT_GT(at_bound, 100) << "a looser bound than asked for";
        EXPECT_GT(spilled, 300);
    }
}

TEST(affinity, the_next_in_rank_steps_in_and_steps_back) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(200, {4}, 1);
    for (std::uint64_t key = 1; key <= 300; ++key) {
        const sigrun_pick ranked = p.pick(fleet, key, 4);
        ASSERT_EQ(ranked.n, 4);
        EXPECT_EQ(std::set<std::uint32_t>(ranked.slot, ranked.slot + 4).size(), 4u);
        EXPECT_EQ(ranked.reason, SIGRUN_WHY_AFFINITY);
        // Closed, full, slow, or failing its jobs: the next one, and the same next one whatever the cause.
        const std::uint32_t first = ranked.slot[0];
        fleet.set_open(first, false);
        EXPECT_EQ(p.pick(fleet, key).slot[0], ranked.slot[1]);
        EXPECT_EQ(p.pick(fleet, key).reason, SIGRUN_WHY_AFFINITY_SPILL);
        fleet.set_open(first, true);
        fleet.set(first, 4);
        EXPECT_EQ(p.pick(fleet, key).slot[0], ranked.slot[1]);
        fleet.set(first, 0);
        fleet.set_cost(first, 4.01);
        EXPECT_EQ(p.pick(fleet, key).slot[0], ranked.slot[1]);
        EXPECT_EQ(p.pick(fleet, key, 1, SIGRUN_REQ_EXPLORE).slot[0], first);  // tried again now and then
        fleet.set_cost(first, 3.9);
        EXPECT_EQ(p.pick(fleet, key).slot[0], first);
        fleet.set_cost(first, 1);
        // Loaded beyond its share.
        fleet.set(first, 2);
        EXPECT_EQ(p.pick(fleet, key).slot[0], ranked.slot[1]);
        fleet.set(first, 0);
        // All four are: somebody idle.
        for (std::uint32_t slot : ranked.slot) fleet.set_open(slot, false);
        const sigrun_pick idle = p.pick(fleet, key);
        ASSERT_EQ(idle.n, 1);
        EXPECT_TRUE(fleet.can_take(idle.slot[0]));
        EXPECT_EQ(idle.reason, SIGRUN_WHY_AFFINITY_SPILL);
        for (std::uint32_t slot : ranked.slot) fleet.set_open(slot, true);
        EXPECT_EQ(p.pick(fleet, key).slot[0], first);
    }
}

TEST(affinity, a_runner_turned_slow_or_failing_loses_its_share_and_gets_it_back) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(10, {64}, 1);
    auto share = [&] {
        int hits = 0;
        for (std::uint64_t key = 1; key <= 5000; ++key) hits += p.pick(fleet, key).slot[0] == 3;
        return hits;
    };
    const int before = share();
    EXPECT_NEAR(before, 500, 90);
    fleet.set_cost(3, 20);  // fails every job: its cost per success says so
    EXPECT_EQ(share(), 0);
    fleet.set_cost(3, 1);
    EXPECT_EQ(share(), before);
}

TEST(affinity, only_feasible_pages_count) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(640, {1}, 1);
    fleet.add(64, {1}, 1001);
    fleet.feasible[0] = 1ull << 10;
    std::set<std::uint32_t> seen;
    for (std::uint64_t key = 1; key <= 3000; ++key) {
        const sigrun_pick got = p.pick(fleet, key);
        ASSERT_EQ(got.n, 1);
        ASSERT_EQ(got.slot[0] / 64, 10u);
        seen.insert(got.slot[0]);
    }
    EXPECT_EQ(seen.size(), 64u);
    // Facts changed, so others match; nobody came or went.
    fleet.feasible[0] = 1ull << 9;
    for (std::uint64_t key = 1; key <= 20; ++key) p.pick(fleet, key);
    for (std::uint64_t key = 1; key <= 300; ++key) {
        const sigrun_pick got = p.pick(fleet, key);
        ASSERT_EQ(got.slot[0] / 64, 9u);
        ASSERT_EQ(got.reason, SIGRUN_WHY_AFFINITY);
    }
    fleet.feasible[0] = 0;
    EXPECT_EQ(p.pick(fleet, 5, 1, 0, 2).n, 0);
    EXPECT_EQ(p.pick(hand_kept_fleet(), 5).n, 0);
}

TEST(affinity, many_kinds_of_requests_do_not_disturb_each_other) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(6400, {1}, 1);
    auto pages = [](std::uint32_t pred) { return 1ull << pred % 64 | 1ull << (pred * 7 + 1) % 64; };
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t> first;
    for (int round = 0; round < 3; ++round)
        for (std::uint32_t pred = 1; pred <= 100; ++pred)
            for (std::uint64_t key = 1; key <= 20; ++key) {
                fleet.feasible[0] = pages(pred);
                fleet.feasible[1] = 0;
                const sigrun_pick got = p.pick(fleet, key, 1, 0, pred);
                ASSERT_EQ(got.n, 1);
                ASSERT_TRUE(pages(pred) >> got.slot[0] / 64 & 1);
                const auto known = first.emplace(std::pair{pred, key}, got.slot[0]);
                ASSERT_EQ(known.first->second, got.slot[0]);
            }
}

TEST(affinity, without_a_key_a_random_runner_of_the_lowest_tier_is_taken) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(40, {2}, 1);
    fleet.add(3, {2}, 100);
    fleet.add(64, {1}, 200);
    for (std::uint32_t slot = 0; slot < fleet.slots(); slot += 3)
        if (fleet.identity[slot]) fleet.set(slot, 1);  // a higher tier, or full
    for (int update = 0; update < 3; ++update) {
        std::map<std::uint32_t, int> expected;
        for (std::uint32_t slot = 0; slot < fleet.slots(); ++slot)
            if (fleet.can_take(slot) && !fleet.jobs(slot)) expected[slot] = 0;
        // Each pick is the first after a restart.
        for (int restart = 0; restart < 1000 * 20; ++restart) {
            affinity_plugin* fresh = &p;
            std::optional<affinity_plugin> again;
            if (restart < 1000) (fresh = &again.emplace())->random.seed(static_cast<std::uint64_t>(restart) + 1);
            const sigrun_pick got = fresh->pick(fleet, 0);
            ASSERT_EQ(got.n, 1);
            EXPECT_EQ(got.reason, SIGRUN_WHY_IDLE_TIER);
            EXPECT_EQ(got.tier, 2);
            ASSERT_TRUE(expected.contains(got.slot[0]));
            ++expected[got.slot[0]];
        }
        double chi = 0;
        const double want = 20'000.0 / static_cast<double>(expected.size());
        for (const auto& [slot, n] : expected) chi += (n - want) * (n - want) / want;
        EXPECT_LT(chi, chi_square_limit(static_cast<double>(expected.size() - 1)));
        fleet.set(static_cast<std::uint32_t>(1 + update), 1);
        fleet.add(5, {1}, 1000 + static_cast<std::uint64_t>(update) * 10);
    }
}

TEST(affinity, a_host_without_identities_gets_idle_first) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(64, {1}, 1);
    sigrun_view view = fleet.view();
    view.struct_size = offsetof(sigrun_view, identity);  // what lies behind is not ours to read
    EXPECT_EQ(p.pick(fleet, view, 5).reason, SIGRUN_WHY_IDLE_TIER);
    view = fleet.view();
    view.identity = nullptr;
    EXPECT_EQ(p.pick(fleet, view, 5).reason, SIGRUN_WHY_IDLE_TIER);
    view = fleet.view();
    view.page_shift = 9;  // pages of another size are left to the host
    EXPECT_EQ(p.pick(fleet, view, 5).n, 0);
}

TEST(affinity, the_same_inputs_give_the_same_picks) {
    std::vector<std::uint32_t> runs[2];
    for (auto& run : runs) {
        affinity_plugin p;
        hand_kept_fleet fleet;
        fleet.add(3000, {3}, 1);
        fleet.add(3000, {1}, 10'000);
        std::mt19937_64 random(5);
        for (int i = 0; i < 5000; ++i) {
            p.now_ns += 100'000;
            const sigrun_pick got = p.pick(fleet, random() % 50, 2);
            for (std::uint32_t k = 0; k < got.n; ++k) run.push_back(got.slot[k]);
            if (got.n) fleet.claim(got.slot[0]);
            if (i % 100 == 7) fleet.remove(static_cast<std::uint32_t>(i));
        }
    }
    EXPECT_EQ(runs[0], runs[1]);
}

TEST(affinity, a_large_fleet_is_looked_at_ten_times_a_second_and_what_is_gone_is_passed_over) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(20'000, {2}, 1);
    const auto owner = p.pick(fleet, 99, 4);
    const std::uint64_t identity = fleet.identity[owner.slot[0]];
    fleet.remove(owner.slot[0]);
    p.now_ns += 1'000'000;
    EXPECT_EQ(p.pick(fleet, 99).slot[0], owner.slot[1]);
    const std::uint32_t elsewhere = fleet.add(1, {2}, identity);
    p.now_ns += 1'000'000;
    EXPECT_EQ(p.pick(fleet, 99).slot[0], owner.slot[1]);
    p.now_ns += 100'000'000;
    EXPECT_EQ(p.pick(fleet, 99).slot[0], elsewhere);
}

}  // namespace
