#include "kernel/job/retry_budget.hpp"

#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

struct budget_item : waiter {};
using budget_item_ptr = std::shared_ptr<budget_item>;

struct budget_of {
    std::unique_ptr<selector> select = make_selector({scripted::make("none", propose_nothing)});
    job_classes classes;
    retry_budget budget;
    class_ptr of(std::string_view text) { return classes.of(select->intern(compiled(text))); }
    void began(const class_ptr& c, int n) {
        for (int i = 0; i < n; ++i) budget.began(*c);
    }
};

TEST(retry_budget, three_at_once_where_there_is_little_else) {
    budget_of b;
    const auto c = b.of("");
    std::vector<budget_item_ptr> jobs(5);
    for (auto& j : jobs) j = std::make_shared<budget_item>();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(b.budget.take(c, jobs[static_cast<std::size_t>(i)]));
    EXPECT_FALSE(b.budget.take(c, jobs[3]));
    EXPECT_FALSE(b.budget.take(c, jobs[4]));
    EXPECT_TRUE(b.budget.denied_some());
    EXPECT_TRUE(b.budget.ready().empty());
    b.budget.give(*c);
    EXPECT_EQ(b.budget.ready(), std::vector<waiter_ptr>{jobs[3]});  // first come, first served
    EXPECT_TRUE(b.budget.ready().empty());
    b.budget.give(*c);
    b.budget.give(*c);
    EXPECT_EQ(b.budget.ready(), std::vector<waiter_ptr>{jobs[4]});
    EXPECT_FALSE(b.budget.denied_some());
    EXPECT_EQ(b.budget.in_all(), (std::pair<std::uint32_t, std::uint32_t>(2, 0)));
}

TEST(retry_budget, a_fifth_of_the_other_attempts_of_the_class_and_of_all) {
    budget_of b;
    const auto busy = b.of("cpu.cores > 1"), quiet = b.of("cpu.cores > 2");
    b.began(busy, 100);
    std::vector<budget_item_ptr> keep;
    auto take = [&](const class_ptr& c, int tries) {
        int got = 0;
        for (int i = 0; i < tries; ++i) got += b.budget.take(c, keep.emplace_back(std::make_shared<budget_item>()));
        return got;
    };
    EXPECT_EQ(take(quiet, 10), 3);  // its own requirement has no other attempts
    EXPECT_EQ(take(busy, 30), 17);  // 20 in all
    // More attempts, more retries.
    b.began(busy, 50);
    EXPECT_EQ(b.budget.ready().size(), 10u);
    b.budget.set_share(0.5);
    EXPECT_EQ(b.budget.ready().size(), 3u);  // of those that wait; the quiet class still has its three
    b.budget.set_share(0);
    EXPECT_TRUE(b.budget.ready().empty());
}

TEST(retry_budget, a_long_line_of_one_class_does_not_stand_before_others) {
    budget_of b;
    const auto a = b.of("cpu.cores > 1"), c = b.of("cpu.cores > 2");
    std::vector<budget_item_ptr> keep;
    for (int i = 0; i < 100; ++i) b.budget.take(a, keep.emplace_back(std::make_shared<budget_item>()));
    const auto other = std::make_shared<budget_item>();
    EXPECT_FALSE(b.budget.take(c, other));
    for (int i = 0; i < 3; ++i) b.budget.give(*a);
    const auto next = b.budget.ready();
    EXPECT_EQ(next.size(), 3u);
    EXPECT_NE(std::find(next.begin(), next.end(), other), next.end());
}

TEST(retry_budget, who_has_gone_does_not_take_a_place) {
    budget_of b;
    const auto c = b.of("");
    std::vector<budget_item_ptr> keep;
    for (int i = 0; i < 3; ++i) b.budget.take(c, keep.emplace_back(std::make_shared<budget_item>()));
    b.budget.take(c, std::make_shared<budget_item>());
    const auto last = std::make_shared<budget_item>();
    b.budget.take(c, last);
    b.budget.give(*c);
    EXPECT_EQ(b.budget.ready(), std::vector<waiter_ptr>{last});
}

TEST(retry_budget, a_retry_that_has_proven_itself_makes_room_and_counts_as_an_attempt) {
    budget_of b;
    const auto c = b.of("");
    std::vector<budget_item_ptr> keep;
    // 1,000 jobs are lost at once, and nothing else runs: they come back ever faster.
    for (int i = 0; i < 1000; ++i) b.budget.take(c, keep.emplace_back(std::make_shared<budget_item>()));
    std::size_t back = 3, under_way = 3;
    int rounds = 0;
    while (back < 1000) {
        for (; under_way; --under_way) b.budget.proven(*c);
        const auto next = b.budget.ready();
        under_way = next.size();
        back += under_way;
        ASSERT_LT(++rounds, 60);
    }
    EXPECT_LT(rounds, 40);
    EXPECT_EQ(b.budget.in_all().first, under_way);
}

// Everything fails, for as long as one likes: jobs come in turn, each attempt takes a while and fails, each retry waits first.
TEST(retry_budget, mission_I8_a_total_outage_is_amplified_at_most_1_2_times) {
    for (const int places : {20, 100, 1000}) {
        for (const int backoff : {0, 5, 200}) {
            budget_of b;
            const auto c = b.of("");
            std::mt19937 random(3);
            struct attempt {
                int ends;
                bool retry;
                int tries;
                budget_item_ptr who;
            };
            std::vector<attempt> running;
            std::multimap<int, std::pair<budget_item_ptr, int>> waits;  // backoff of retries that hold the budget
            std::map<waiter*, int> tries_of;
            std::uint64_t first = 0, all = 0;
            for (int now = 0; now < 20'000; ++now) {
                std::vector<attempt> left;
                for (auto& a : running) {
                    if (a.ends > now) {
                        left.push_back(a);
                        continue;
                    }
                    a.retry ? b.budget.give(*c) : b.budget.ended(*c);
                    if (a.tries == 3) continue;
                    tries_of[a.who.get()] = a.tries + 1;
                    if (b.budget.take(c, a.who))
                        waits.emplace(now + backoff, std::pair(a.who, a.tries + 1));
                    else
                        waits.emplace(-1, std::pair(a.who, 0));  // keeps it alive
                }
                running = std::move(left);
                for (const auto& w : b.budget.ready())
                    waits.emplace(now + backoff,
                                  std::pair(std::static_pointer_cast<budget_item>(w), tries_of[w.get()]));
                const int lives = 10 + static_cast<int>(random() % 10);
                for (auto at = waits.lower_bound(0); at != waits.end() && at->first <= now; at = waits.erase(at)) {
                    running.push_back({now + lives, true, at->second.second, at->second.first});
                    ++all;
                }
                while (running.size() < static_cast<std::size_t>(places)) {
                    b.budget.began(*c);
                    running.push_back({now + lives, false, 0, std::make_shared<budget_item>()});
                    ++first, ++all;
                }
            }
            EXPECT_LE(static_cast<double>(all) / static_cast<double>(first), places == 20 ? 1.25 : 1.2)
                << places << " places, backoff " << backoff;
            EXPECT_GT(all, first);
        }
    }
}

TEST(retry_budget, counts_hold_with_many_threads) {
    budget_of b;
    const auto c = b.of("");
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::deque<budget_item_ptr> keep;
            for (int i = 0; i < 5000; ++i) {
                b.budget.began(*c);
                if (b.budget.take(c, keep.emplace_back(std::make_shared<budget_item>()))) b.budget.give(*c);
                for (std::size_t n = b.budget.ready().size(); n; --n) b.budget.give(*c);
                b.budget.ended(*c);
            }
        });
    for (auto& t : threads) t.join();
    for (std::size_t n = b.budget.ready().size(); n; n = b.budget.ready().size())
        for (; n; --n) b.budget.give(*c);
    EXPECT_EQ(b.budget.in_all(), (std::pair<std::uint32_t, std::uint32_t>(0, 0)));
    EXPECT_FALSE(b.budget.denied_some());
}

TEST(delay_sketch, tells_nothing_of_few_and_the_tail_of_many) {
    delay_sketch s;
    using std::chrono::milliseconds;
    for (int i = 0; i < 19; ++i) s.add(milliseconds(1));
    EXPECT_FALSE(s.quantile(0.99, 20));
    s.add(milliseconds(1));
    ASSERT_TRUE(s.quantile(0.99, 20));
    EXPECT_GE(*s.quantile(0.99, 20), milliseconds(1));
    EXPECT_LT(*s.quantile(0.99, 20), nanoseconds(1'250'000));
    for (int i = 0; i < 980; ++i) s.add(milliseconds(1));
    for (int i = 0; i < 20; ++i) s.add(milliseconds(100));
    EXPECT_GE(*s.quantile(0.99, 20), milliseconds(100));
    EXPECT_LT(*s.quantile(0.99, 20), milliseconds(125));
    EXPECT_LT(*s.quantile(0.95, 20), milliseconds(2));
}

TEST(delay_sketch, forgets_what_was_long_ago) {
    delay_sketch s;
    using std::chrono::milliseconds;
    for (int i = 0; i < 2000; ++i) s.add(milliseconds(500));
    for (int i = 0; i < 30'000; ++i) s.add(milliseconds(2));
    EXPECT_LT(*s.quantile(0.99, 20), milliseconds(3));
    s.add(nanoseconds(-5));
    s.add(std::chrono::hours(100));
    EXPECT_TRUE(s.quantile(1.0, 20));
}

}  // namespace
