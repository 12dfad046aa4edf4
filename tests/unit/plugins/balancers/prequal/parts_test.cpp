#include "latency_board.hpp"
#include "probe_pool.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun::prequal;

constexpr std::uint64_t k_now = 50'000'000'000;

TEST(latency_board, results_count_for_the_load_that_the_job_met) {
    latency_board board;
    EXPECT_FALSE(board.expected(7, 0, k_now));
    for (int i = 0; i < 5; ++i) {
        board.arrived(7, 0);
        board.ended(7, 1000, k_now);
    }
    for (int i = 0; i < 5; ++i) {
        board.arrived(7, 6);
        board.ended(7, 3000, k_now);
    }
    EXPECT_EQ(board.expected(7, 0, k_now), 1000);
    EXPECT_EQ(board.expected(7, 1, k_now), 1000);
    EXPECT_EQ(board.expected(7, 9, k_now), 3000);
    EXPECT_FALSE(board.expected(8, 0, k_now));
    EXPECT_FALSE(board.expected(7, 0, k_now + latency_board::k_memory_ns + 2'000'000));
}

TEST(latency_board, the_median_is_not_moved_by_one_that_took_long) {
    latency_board board;
    for (log_latency took :
         {log_latency{1000}, log_latency{1010}, log_latency{5000}, log_latency{1020}, log_latency{990}}) {
        board.arrived(7, 0);
        board.ended(7, took, k_now);
    }
    EXPECT_EQ(board.expected(7, 0, k_now), 1010);
    for (int i = 0; i < 8; ++i) {
        board.arrived(7, 0);
        board.ended(7, k_failed, k_now);
    }
    EXPECT_EQ(board.expected(7, 0, k_now), k_failed);
}

TEST(latency_board, jobs_end_in_the_order_they_came) {
    latency_board board;
    board.arrived(7, 0);
    board.arrived(7, 1);
    board.arrived(7, 2);
    board.ended(7, 100, k_now);
    board.ended(7, 200, k_now);
    board.ended(7, 0, k_now);    // nothing to learn from
    board.ended(7, 300, k_now);  // nobody is there any more
    board.arrived(7, 2);
    board.ended(7, 400, k_now);
    EXPECT_EQ(board.expected(7, 0, k_now), 200);  // of 100, 200, 400
    // Picks that did not come about are forgotten when the count shows it.
    board.arrived(9, 0);
    board.arrived(9, 0);
    board.arrived(9, 0);
    board.ended(9, 500, k_now);
    board.ended(9, 600, k_now);
    EXPECT_EQ(board.expected(9, 0, k_now), 500);
}

TEST(latency_board, of_two_slots_that_share_a_record_the_last_used_has_it) {
    latency_board board;
    const std::uint32_t a = 3, b = 3 + latency_board::k_records;
    board.arrived(a, 0);
    board.ended(a, 700, k_now);
    board.arrived(b, 0);
    EXPECT_FALSE(board.expected(a, 0, k_now));
    EXPECT_FALSE(board.expected(b, 0, k_now));
    board.ended(a, 700, k_now);
    board.ended(b, 800, k_now);
    EXPECT_EQ(board.expected(b, 0, k_now), 800);
}

TEST(probe_pool, keeps_sixteen_for_a_second_and_drops_the_oldest_and_the_worst_in_turn) {
    probe_pool pool;
    for (std::uint32_t i = 0; i < 20; ++i) pool.add(i, k_now + i, 2);
    EXPECT_EQ(pool.size(), probe_pool::k_size);
    auto has = [&](std::uint32_t slot) {
        for (std::uint32_t i = 0; i < pool.size(); ++i)
            if (pool[i].slot == slot) return true;
        return false;
    };
    EXPECT_FALSE(has(3));
    EXPECT_TRUE(has(4));
    for (std::uint32_t i = 0; i < pool.size(); ++i) pool[i].now = {0, pool[i].slot == 10 ? 99u : 1u, false};
    pool.drop_one();
    EXPECT_FALSE(has(4));
    pool.drop_one();
    EXPECT_FALSE(has(10));
    pool.use(19);
    EXPECT_TRUE(has(19));
    pool.use(19);
    EXPECT_FALSE(has(19));
    pool.add(18, k_now + 500, 1);  // known already
    EXPECT_EQ(pool.size(), 13u);
    pool.drop_old(k_now + probe_pool::k_age_ns + 18);
    EXPECT_EQ(pool.size(), 1u);
    EXPECT_TRUE(has(18));
}

TEST(probe_pool, cold_goes_before_hot_by_latency_and_hot_by_load) {
    const state fast{10, 100, false}, slow{0, 900, false}, busy{200, 50, true}, busier{300, 1, true};
    EXPECT_TRUE(fast.better_than(slow));
    EXPECT_TRUE(slow.better_than(busy));
    EXPECT_TRUE(busy.better_than(busier));
    EXPECT_FALSE(busier.better_than(fast));
}

TEST(probe_pool, probes_are_used_more_often_in_small_fleets) {
    EXPECT_EQ(uses_of_a_probe(1'000'000), 2u);
    EXPECT_EQ(uses_of_a_probe(100), 2u);
    EXPECT_EQ(uses_of_a_probe(64), 4u);
    EXPECT_EQ(uses_of_a_probe(32), probe_pool::k_size);
    EXPECT_EQ(uses_of_a_probe(0), probe_pool::k_size);
}

TEST(load_quantile, is_that_of_the_last_loads) {
    load_quantile q(0.84);
    for (int i = 0; i < 1600; ++i) q.see(static_cast<std::uint32_t>(i % 100));
    EXPECT_NEAR(q.threshold(), 84, 12);
    for (int i = 0; i < 128; ++i) q.see(7);
    EXPECT_EQ(q.threshold(), 7u);
}

}  // namespace
