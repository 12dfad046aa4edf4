// What selection learns from jobs that end, and how runners that fail, come back or are new are treated.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace {

using namespace sigrun;
using namespace sigrun::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Proposes some slot that is in the lowest non-empty tier.
void lowest_tier(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) {
    out.n = 0;
    std::uint64_t seed = req.rng;
    for (int t = 0; t < SIGRUN_TIERS; ++t) {
        std::vector<std::uint32_t> found;
        for (std::uint32_t page = 0; page < view.n_pages; ++page)
            if (pages[page / 64] >> (page % 64) & 1)
                for (std::uint64_t idle = view.idle[t][page]; idle; idle &= idle - 1)
                    found.push_back(page * 64 + static_cast<std::uint32_t>(std::countr_zero(idle)));
        if (found.empty()) continue;
        out.slot[0] = found[seed % found.size()];
        out.n = 1;
        out.reason = SIGRUN_WHY_IDLE_TIER;
        return;
    }
}

class feedback : public testing::Test {
protected:
    void make(int runners, std::uint16_t places = 1, protection protect = {.slow_start = nanoseconds(0)}) {
        selector::options o;
        o.default_balancer = "lowest";
        o.time = &time;
        o.seed = 11;
        o.protect = protect;
        index = selector::create(o, {scripted::make("lowest", lowest_tier)}).value();
        for (int i = 0; i < runners; ++i) slots.push_back(join(*index, profile(machine(), places)));
        any = index->intern(compiled(""));
    }
    pick_result pick(std::uint16_t priority = 2) {
        pick_request q;
        q.pred = any.get();
        q.priority = priority;
        return index->pick(q);
    }
    void ended(slot_ref where, nanoseconds exec, outcome_status status = outcome_status::succeeded,
               nanoseconds wait = nanoseconds(0)) {
        job_feedback f;
        f.slot = where;
        f.pred = any.get();
        f.end.status = status;
        f.end.exec_us = static_cast<double>(exec.count()) * 1e-3;
        f.end.wait_us = static_cast<double>(wait.count()) * 1e-3;
        index->feedback(f, 1);
    }
    void warm_up(int jobs = 20) {
        for (int i = 0; i < jobs; ++i)
            for (const slot_ref s : slots) ended(s, milliseconds(10));
        for (int i = 0; i < 2; ++i) index->tick();
    }
    /// Share of `n` picks, each released at once, that went to a runner.
    double share_of(slot_ref s, int n = 4000) {
        int hits = 0;
        for (int i = 0; i < n; ++i) {
            const auto got = pick();
            hits += got.slot == s;
            index->release(got.slot);
        }
        return hits / double(n);
    }
    std::vector<ejection> tick(nanoseconds later = seconds(1)) {
        time.advance(later);
        return index->tick();
    }

    manual_clock time;
    std::unique_ptr<selector> index;
    std::vector<slot_ref> slots;
    predicate_ptr any;
};

TEST_F(feedback, a_runner_of_which_nothing_is_known_costs_what_the_mean_one_does) {
    make(3);
    EXPECT_DOUBLE_EQ(index->standing(slots[0]).relative_cost, 1);
    EXPECT_DOUBLE_EQ(index->standing(slots[0]).success, 1);
    EXPECT_EQ(index->standing(slots[0]).samples, 0u);
    EXPECT_NEAR(share_of(slots[0]), 1 / 3., 0.03);
}

TEST_F(feedback, runners_of_different_speed_are_told_apart_and_equal_ones_are_not) {
    make(40);
    std::mt19937_64 random(3);
    std::lognormal_distribution<double> size(std::log(10e6), 1.0);  // a heavy tail: cv 1.3
    auto run = [&](auto speed, int jobs) {
        for (int k = 0; k < jobs; ++k)
            for (std::size_t i = 0; i < slots.size(); ++i)
                ended(slots[i], nanoseconds(static_cast<std::int64_t>(size(random) / speed(i))));
        for (int i = 0; i < 2; ++i) index->tick();
    };
    run([](std::size_t) { return 1.0; }, 60);
    int middle = 0;
    for (const slot_ref s : slots) middle += std::abs(std::log2(index->standing(s).relative_cost)) < 0.25;
    EXPECT_GE(middle, 36) << "noise must not divide equal runners into better and worse";
    run([](std::size_t i) { return i % 2 ? 2.0 : 0.5; }, 60);
    double fast = 0, slow = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        const double cost = std::log2(index->standing(slots[i]).relative_cost);
        (i % 2 ? fast : slow) += cost / 20;
    }
    EXPECT_NEAR(slow - fast, 2, 0.4) << "four times as fast is two octaves";
}

TEST_F(feedback, mission_A3_a_runner_that_turns_slow_loses_its_excess_share_within_three_jobs) {
    make(10);
    warm_up();
    EXPECT_NEAR(share_of(slots[3]), 0.1, 0.03);
    for (int i = 0; i < 3; ++i) ended(slots[3], milliseconds(40));
    // A quarter of the speed deserves a quarter of the share; nine tenths of the excess are gone.
    EXPECT_LE(share_of(slots[3]), 0.025 + 0.1 * (0.1 - 0.025));
}

TEST_F(feedback, a_job_that_does_not_end_makes_its_runner_slow_before_it_ends) {
    make(4, 4);
    warm_up();
    index->straggler(slots[1], *any, milliseconds(39));
    EXPECT_NEAR(index->standing(slots[1]).relative_time, 1, 0.05) << "not old yet: under four times the mean";
    index->straggler(slots[1], *any, milliseconds(160));
    EXPECT_NEAR(index->standing(slots[1]).relative_time, 4, 0.3);
    EXPECT_LT(share_of(slots[1]), 0.02);
    ended(slots[1], milliseconds(10));
    EXPECT_NEAR(index->standing(slots[1]).relative_time, 1, 0.1);
}

TEST_F(feedback, a_queue_on_the_runner_costs_what_its_wait_costs) {
    make(2, 4);
    warm_up();
    ended(slots[0], milliseconds(10), outcome_status::succeeded, milliseconds(30));
    EXPECT_NEAR(index->standing(slots[0]).wait_us, 30'000, 1);
    EXPECT_NEAR(index->standing(slots[0]).relative_cost, 4, 0.5) << "30 ms of wait and 10 ms of work";
    for (int i = 0; i < 60; ++i) {
        time.advance(milliseconds(100));
        ended(slots[0], milliseconds(10));
    }
    EXPECT_LT(index->standing(slots[0]).relative_cost, 1.2);
}

TEST_F(feedback, what_is_known_of_a_runner_without_jobs_is_forgotten_so_that_it_is_tried_again) {
    make(10);
    warm_up();
    for (int i = 0; i < 20; ++i) ended(slots[0], milliseconds(80));
    EXPECT_GT(index->standing(slots[0]).relative_cost, 4);
    for (int i = 0; i < 600; ++i) tick();
    EXPECT_NEAR(index->standing(slots[0]).relative_cost, 1, 0.1);
}

TEST_F(feedback, one_pick_of_a_hundred_disregards_what_runners_cost) {
    int explored = 0;
    selector::options o;
    o.default_balancer = "counts";
    o.seed = 5;
    static int* seen = nullptr;
    seen = &explored;
    auto balancer =
        scripted::make("counts", [](const sigrun_view&, const sigrun_req& r, const std::uint64_t*, sigrun_pick& p) {
            *seen += r.flags & SIGRUN_REQ_EXPLORE;
            p.n = 1;
            p.slot[0] = 0;
        });
    auto s = selector::create(o, {balancer}).value();
    join(*s, profile(machine()));
    const auto p = s->intern(compiled(""));
    for (int i = 0; i < 12'800; ++i) {
        pick_request q;
        q.pred = p.get();
        s->release(s->pick(q).slot);
    }
    EXPECT_GT(explored, 60);
    EXPECT_LT(explored, 150);
}

TEST_F(feedback, failures_of_the_infrastructure_in_a_row_put_a_runner_out_and_a_good_trial_brings_it_back) {
    make(10);
    warm_up();
    for (int i = 0; i < 4; ++i) ended(slots[2], milliseconds(1), outcome_status::failed_by_infrastructure);
    EXPECT_FALSE(index->standing(slots[2]).ejected) << "four are not five";
    ended(slots[2], milliseconds(10));
    for (int i = 0; i < 4; ++i) ended(slots[2], milliseconds(1), outcome_status::failed_by_infrastructure);
    EXPECT_FALSE(index->standing(slots[2]).ejected) << "a success in between";
    ended(slots[2], milliseconds(1), outcome_status::failed_by_infrastructure);
    EXPECT_TRUE(index->standing(slots[2]).ejected);
    const auto told = tick();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(told[0].out);
    EXPECT_EQ(told[0].why, ejection_cause::failures_in_a_row);
    EXPECT_EQ(told[0].lasts, seconds(30));
    EXPECT_EQ(share_of(slots[2]), 0);
    tick(seconds(28));
    EXPECT_TRUE(index->standing(slots[2]).ejected);
    const auto back = tick(seconds(2));
    ASSERT_EQ(back.size(), 1u);
    EXPECT_FALSE(back[0].out);
    EXPECT_TRUE(index->standing(slots[2]).on_trial);
    // One failure on trial, and it is out for twice as long.
    ended(slots[2], milliseconds(1), outcome_status::failed_by_infrastructure);
    EXPECT_TRUE(index->standing(slots[2]).ejected);
    const auto again = tick();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].why, ejection_cause::failed_on_trial);
    EXPECT_EQ(again[0].lasts, seconds(60));
    tick(seconds(60));
    EXPECT_TRUE(index->standing(slots[2]).on_trial);
    ended(slots[2], milliseconds(10));
    EXPECT_FALSE(index->standing(slots[2]).on_trial);
    EXPECT_EQ(index->index_faults(), 0u);
}

TEST_F(feedback, on_trial_a_runner_gets_one_job_at_a_time) {
    make(2, 4);
    warm_up();
    for (int i = 0; i < 5; ++i) ended(slots[0], milliseconds(1), outcome_status::failed_by_infrastructure);
    tick(seconds(31));
    ASSERT_TRUE(index->standing(slots[0]).on_trial);
    std::map<std::uint32_t, int> got;
    while (true) {
        const auto p = pick();
        if (p.outcome != pick_outcome::picked) break;
        ++got[p.slot.slot];
    }
    EXPECT_EQ(got[slots[0].slot], 1);
    EXPECT_EQ(got[slots[1].slot], 4);
}

TEST_F(feedback, no_more_than_a_tenth_is_out_and_the_only_runner_never_is) {
    make(20);
    warm_up();
    for (const slot_ref s : slots)
        for (int i = 0; i < 8; ++i) ended(s, milliseconds(1), outcome_status::failed_by_infrastructure);
    int out = 0;
    for (const slot_ref s : slots) out += index->standing(s).ejected;
    EXPECT_EQ(out, 2);
    slots.clear();
    make(1);
    for (int i = 0; i < 20; ++i) ended(slots[0], milliseconds(1), outcome_status::failed_by_infrastructure);
    EXPECT_FALSE(index->standing(slots[0]).ejected);
}

TEST_F(feedback, a_runner_that_fails_jobs_fast_is_found_by_its_success_rate_also_if_the_jobs_look_guilty) {
    make(20);
    warm_up();
    int to_sink = 0, jobs = 0;
    // Every job on runner 7 fails at once, as if by its own fault.
    for (; jobs < 20'000; ++jobs) {
        const auto got = pick();
        index->release(got.slot);
        const bool sunk = got.slot == slots[7];
        to_sink += sunk;
        ended(got.slot, sunk ? nanoseconds(1000) : milliseconds(10),
              sunk ? outcome_status::failed_by_user : outcome_status::succeeded);
        if (jobs % 20 == 0) tick(milliseconds(10));
    }
    EXPECT_TRUE(index->standing(slots[7]).ejected);
    EXPECT_LE(to_sink, 30) << "of 20,000, with a twentieth of all places";
}

TEST_F(feedback, jobs_that_fail_everywhere_are_no_runners_fault) {
    make(20);
    warm_up();
    for (int i = 0; i < 100; ++i)
        for (const slot_ref s : slots) ended(s, milliseconds(10), outcome_status::failed_by_user);
    for (int i = 0; i < 20; ++i) tick();
    for (const slot_ref s : slots) {
        EXPECT_FALSE(index->standing(s).ejected);
        EXPECT_GT(index->standing(s).success, 0.8);
    }
}

TEST_F(feedback, in_a_panic_ejected_runners_are_used_but_closed_ones_never) {
    make(20);
    warm_up();
    for (int k = 0; k < 2; ++k)
        for (int i = 0; i < 5; ++i)
            ended(slots[static_cast<std::size_t>(k)], milliseconds(1), outcome_status::failed_by_infrastructure);
    std::vector<slot_ref> taken;
    while (true) {
        const auto got = pick();
        if (got.outcome != pick_outcome::picked) break;
        taken.push_back(got.slot);
    }
    EXPECT_EQ(taken.size(), 18u) << "most are there: no panic, the two stay out";
    for (std::size_t i = 10; i < 20; ++i) index->set_open(slots[i], false);
    EXPECT_EQ(pick().outcome, pick_outcome::queued) << "nobody has looked since";
    tick();
    const auto got = pick();
    ASSERT_EQ(got.outcome, pick_outcome::picked) << "8 of 20 are left";
    EXPECT_EQ(got.explain.reason, SIGRUN_WHY_PANIC);
    EXPECT_TRUE(got.slot == slots[0] || got.slot == slots[1]);
    EXPECT_EQ(pick().outcome, pick_outcome::picked);
    EXPECT_EQ(pick().outcome, pick_outcome::queued);
}

TEST_F(feedback, the_load_of_a_requirement_is_that_of_the_open_runners_that_match) {
    make(4, 2);
    time.advance(seconds(1));
    EXPECT_EQ(index->load(*any), 0);
    for (int i = 0; i < 3; ++i) pick();
    EXPECT_EQ(index->load(*any), 0) << "as it was a moment ago";
    time.advance(seconds(1));
    EXPECT_NEAR(index->load(*any), 3 / 8., 1e-6);
    index->set_open(slots[3], false);
    time.advance(seconds(1));
    const auto there = index->in_flight(slots[3]);
    EXPECT_NEAR(index->load(*any), (3 - there) / 6., 1e-6);
    const auto none = index->intern(compiled("label.no == \"such\""));
    EXPECT_EQ(index->load(*none), 1) << "nothing is free there";
}

TEST_F(feedback, a_look_around_finds_who_else_could_have_been_picked) {
    make(200, 2);
    warm_up();
    for (int i = 0; i < 12; ++i) ended(slots[7], milliseconds(100));
    tick();
    const auto got = pick();
    const auto seen = index->look_around(*any, 0xffff, got.slot, 8, 42);
    EXPECT_EQ(seen.looked_at, 200u);
    ASSERT_EQ(seen.best.size(), 9u);
    EXPECT_TRUE(seen.best[0].picked);
    EXPECT_EQ(seen.best[0].slot, got.slot);
    EXPECT_EQ(seen.best[0].in_flight, 0u) << "as it was for the pick";
    for (std::size_t i = 1; i < seen.best.size(); ++i) {
        EXPECT_FALSE(seen.best[i].picked);
        EXPECT_FALSE(seen.best[i].slot == slots[7]) << "it is slow";
        EXPECT_EQ(seen.best[i].places, 2u);
    }
    // Of a large fleet only a part, from another place each time.
    for (int i = 0; i < 3000; ++i) join(*index, profile(machine()));
    std::set<std::uint32_t> found;
    for (std::uint64_t n = 0; n < 8; ++n) {
        const auto some = index->look_around(*any, 0xffff, got.slot, 8, n << 61);
        EXPECT_LE(some.looked_at, 1024u + 64);
        found.insert(some.best[1].slot.slot);
    }
    EXPECT_GT(found.size(), 4u);
}

TEST_F(feedback, a_runner_that_comes_gets_its_share_slowly) {
    make(10, 1, {});
    for (int i = 0; i < 31; ++i) tick();
    EXPECT_DOUBLE_EQ(index->standing(slots[0]).slow_start, 1);
    const slot_ref fresh = join(*index, profile(machine()));
    EXPECT_NEAR(index->standing(fresh).relative_cost, 10, 0.5);
    EXPECT_LT(share_of(fresh), 0.02);
    tick(seconds(15));
    EXPECT_NEAR(index->standing(fresh).relative_cost, 2, 0.1);
    tick(seconds(16));
    EXPECT_NEAR(index->standing(fresh).relative_cost, 1, 0.05);
    EXPECT_NEAR(share_of(fresh), 1 / 11., 0.03);
    index->set_open(fresh, false);
    index->set_open(fresh, true);
    EXPECT_NEAR(index->standing(fresh).relative_cost, 10, 0.5) << "also when it comes back";
}

TEST_F(feedback, mission_C17_places_above_the_load_limit_can_be_kept_for_urgent_jobs) {
    make(1, 10, {.reserve_for_urgent = true, .slow_start = nanoseconds(0)});
    for (int i = 0; i < 8; ++i) ASSERT_EQ(pick(2).outcome, pick_outcome::picked);
    EXPECT_EQ(pick(2).outcome, pick_outcome::queued);
    EXPECT_TRUE(index->keeps_for_urgent(slots[0]));
    EXPECT_EQ(pick(1).outcome, pick_outcome::picked);
    EXPECT_EQ(pick(0).outcome, pick_outcome::picked);
    EXPECT_EQ(pick(0).outcome, pick_outcome::queued);
    EXPECT_FALSE(index->release(slots[0]) && !index->keeps_for_urgent(slots[0]));
    EXPECT_EQ(pick(2).outcome, pick_outcome::queued);
    // Changed while jobs run.
    protection all;
    all.max_runner_load = 1;
    all.reserve_for_urgent = true;
    index->protect(all);
    EXPECT_EQ(pick(2).outcome, pick_outcome::picked);
    EXPECT_EQ(index->index_faults(), 0u);
    slots.clear();
    make(1, 4);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(pick(4).outcome, pick_outcome::picked) << "fewer than five: none is kept back";
}

TEST_F(feedback, mission_C17_a_runner_above_the_load_limit_is_used_when_all_others_are_as_loaded) {
    make(2, 10);
    std::map<std::uint32_t, int> got;
    for (int i = 0; i < 16; ++i) EXPECT_LE(++got[pick().slot.slot], 8) << "the other one has places below the limit";
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(pick().outcome, pick_outcome::picked) << "no place stays idle while jobs wait";
    EXPECT_EQ(pick().outcome, pick_outcome::queued);
}

TEST_F(feedback, what_is_known_goes_along_when_a_runner_moves_and_is_gone_when_it_leaves) {
    make(3);
    warm_up();
    for (int i = 0; i < 20; ++i) ended(slots[0], milliseconds(80));
    for (int i = 0; i < 5; ++i) ended(slots[0], milliseconds(1), outcome_status::failed_by_infrastructure);
    const auto before = index->standing(slots[0]);
    ASSERT_TRUE(before.ejected);
    const slot_ref moved = index->update(slots[0], profile(machine().set("kind", 2))).value();
    ASSERT_NE(moved.slot, slots[0].slot);
    const auto after = index->standing(moved);
    EXPECT_TRUE(after.ejected);
    EXPECT_NEAR(after.relative_cost, before.relative_cost, 0.05 * before.relative_cost);
    tick(seconds(31));
    EXPECT_TRUE(index->standing(moved).on_trial) << "its ejection ends where it is now";
    index->remove(moved);
    const slot_ref fresh = join(*index, profile(machine().set("kind", 2)));
    EXPECT_FALSE(index->standing(fresh).on_trial);
    EXPECT_DOUBLE_EQ(index->standing(fresh).relative_cost, 1);
    EXPECT_EQ(index->index_faults(), 0u);
}

TEST_F(feedback, feedback_for_a_runner_that_left_changes_nobody) {
    make(2);
    warm_up();
    index->remove(slots[0]);
    const slot_ref other = join(*index, profile(machine()));
    for (int i = 0; i < 20; ++i) ended(slots[0], milliseconds(500), outcome_status::failed_by_infrastructure);
    EXPECT_DOUBLE_EQ(index->standing(other).relative_cost, 1);
    EXPECT_FALSE(index->standing(other).ejected);
}

}  // namespace
