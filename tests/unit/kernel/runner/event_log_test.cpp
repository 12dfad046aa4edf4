#include "kernel/runner/event_log.hpp"

#include "kernel/base/json.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace {

using sigrun::event_log;
using sigrun::event_type;

struct fixture {
    sigrun::manual_clock clock;
    event_log log{clock, 64};
    void publish(int n) {
        for (int i = 0; i < n; ++i) log.publish(event_type::job_submitted, {}, sigrun::id::make());
    }
};

TEST(event_log, numbers_are_consecutive_and_a_watcher_resumes_where_it_stopped) {
    fixture f;
    f.publish(5);
    auto first = f.log.watch(0, false, [] {});
    auto got = first->pull(3);
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got.back().seq, 3u);
    auto resumed = f.log.watch(got.back().seq, false, [] {});
    got = resumed->pull(100);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].seq, 4u);
}

TEST(event_log, a_watcher_that_fell_behind_gets_a_gap_with_the_numbers_it_missed) {
    fixture f;
    f.publish(2);
    auto w = f.log.watch(0, false, [] {});
    EXPECT_EQ(w->pull(10).size(), 2u);
    f.publish(1000);
    auto got = w->pull(10);
    ASSERT_EQ(got[0].type, event_type::gap);
    auto gap = sigrun::parse_object(sigrun::to_json(got[0]));
    ASSERT_TRUE(gap);
    EXPECT_EQ(gap->at("from"), 3);
    auto to = gap->at("to").to_number<std::uint64_t>();
    EXPECT_EQ(got[1].seq, to + 1);
    EXPECT_EQ(got[1].seq, 1002u - 64u + 1u);
}

TEST(event_log, a_sleeping_watcher_is_woken_once_for_each_sleep) {
    fixture f;
    int woken = 0;
    auto w = f.log.watch(0, true, [&] { ++woken; });
    f.publish(1);
    EXPECT_EQ(woken, 0);  // it has not said that it sleeps
    EXPECT_EQ(w->pull(10).size(), 1u);
    EXPECT_TRUE(w->pull(10).empty());
    f.publish(3);
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(w->pull(10).size(), 3u);
}

TEST(event_log, a_watcher_of_some_types_is_woken_by_these_alone_and_gets_no_others) {
    fixture f;
    int woken = 0;
    auto w = f.log.watch(
        0, true, [&] { ++woken; }, sigrun::event_types_of({"Runner"}));
    EXPECT_TRUE(w->pull(10).empty());
    f.publish(3);
    EXPECT_EQ(woken, 0);
    f.log.publish(event_type::runner_status_changed, sigrun::id::make(), {});
    EXPECT_EQ(woken, 1);
    f.publish(2);
    auto got = w->pull(10);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].type, event_type::runner_status_changed);
    EXPECT_EQ(got[0].seq, 4u);
    EXPECT_TRUE(w->pull(10).empty());
}

TEST(event_log, a_watcher_that_slept_through_more_than_is_kept_of_what_it_does_not_want_has_no_gap) {
    fixture f;
    auto w = f.log.watch(
        0, true, [] {}, sigrun::event_types_of({"Runner"}));
    EXPECT_TRUE(w->pull(10).empty());
    f.publish(1000);
    f.log.publish(event_type::runner_registered, sigrun::id::make(), {});
    auto got = w->pull(10);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].type, event_type::runner_registered);
}

TEST(event_log, knows_what_somebody_watches) {
    fixture f;
    EXPECT_FALSE(f.log.watched(event_type::job_submitted));
    auto runners = f.log.watch(
        0, true, [] {}, sigrun::event_types_of({"Runner"}));
    EXPECT_TRUE(f.log.watched(event_type::runner_registered));
    EXPECT_FALSE(f.log.watched(event_type::job_submitted));
    {
        auto all = f.log.watch(0, true, [] {});
        EXPECT_TRUE(f.log.watched(event_type::job_submitted));
    }
    EXPECT_FALSE(f.log.watched(event_type::job_submitted));
}

TEST(event_log, types_are_named_by_their_beginnings) {
    using namespace sigrun;
    EXPECT_EQ(event_types_of({}), k_all_events);
    EXPECT_EQ(event_types_of({"JobDead"}), only(event_type::job_dead));
    EXPECT_EQ(event_types_of({"JobS"}), only(event_type::job_submitted) | only(event_type::job_state_changed));
    EXPECT_EQ(event_types_of({"Nothing"}), 0u);
}

TEST(event_log, a_number_from_an_earlier_life_starts_with_what_is_kept) {
    fixture f;
    f.publish(3);
    auto w = f.log.watch(900'000, false, [] {});
    EXPECT_EQ(w->pull(10).size(), 3u);
}

TEST(event_log, numbers_grow_over_lives_and_a_resume_from_an_earlier_one_begins_with_a_gap) {
    fixture earlier;
    earlier.log.begin_life(7);
    earlier.publish(50);
    const auto seen = earlier.log.last_seq();
    EXPECT_GT(seen, std::uint64_t{7} << 32);

    fixture f;
    f.publish(3);  // plugins are loaded before the store is open
    f.log.begin_life(8);
    f.publish(97);
    EXPECT_GT(f.log.last_seq(), seen);
    auto w = f.log.watch(seen, false, [] {});
    auto got = w->pull(200);
    ASSERT_EQ(got.size(), 65u);
    EXPECT_EQ(got[0].type, event_type::gap);
    EXPECT_NE(sigrun::to_json(got[0]).find("\"from\":" + std::to_string(seen + 1)), std::string::npos);
    for (std::size_t i = 1; i < got.size(); ++i) {
        EXPECT_EQ(got[i].seq, got[0].seq + i);
        EXPECT_EQ(got[i].type, event_type::job_submitted);
    }
    auto all = f.log.watch(0, false, [] {});  // everything that is kept: no gap
    EXPECT_EQ(all->pull(200).size(), 64u);
    auto again = f.log.watch(f.log.last_seq() - 2, false, [] {});
    EXPECT_EQ(again->pull(200).size(), 2u);
}

TEST(event_log, what_was_published_before_the_life_began_is_kept_in_order) {
    fixture f;
    f.publish(3);
    f.log.begin_life(1);
    f.publish(2);
    auto w = f.log.watch(0, false, [] {});
    auto got = w->pull(10);
    ASSERT_EQ(got.size(), 5u);
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(got[i].seq, (std::uint64_t{1} << 32) + 1 + i);
    f.log.begin_life(~std::uint64_t{0} >> 8);
    EXPECT_LT(f.log.last_seq(), std::uint64_t{1} << 53);  // exact in every JSON reader
}

TEST(event_log, many_publishers_lose_nothing) {
    sigrun::manual_clock clock;
    event_log log(clock, 1 << 16);
    auto w = log.watch(0, true, [] {});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 5000; ++i) log.publish(event_type::job_state_changed, {}, sigrun::id::make());
        });
    for (auto& t : threads) t.join();
    std::uint64_t expected = 1;
    for (auto batch = w->pull(777); !batch.empty(); batch = w->pull(777))
        for (const auto& e : batch) EXPECT_EQ(e.seq, expected++);
    EXPECT_EQ(expected, 20'001u);
}

}  // namespace
