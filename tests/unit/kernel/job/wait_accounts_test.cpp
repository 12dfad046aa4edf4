#include "kernel/job/wait_accounts.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

constexpr time_point at(nanoseconds after) { return time_point(1000s + after); }

account_ptr limited(wait_accounts& all, double rate, std::uint32_t burst) {
    all.set_rules({1, 0, rate, burst}, {});
    return all.find("ci");
}

TEST(submit_rate, without_one_any_number_comes) {
    wait_accounts all;
    const auto a = all.find("ci");
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(a->take(at(0s)).count(), 0);
}

TEST(submit_rate, a_burst_comes_at_once_and_then_one_for_each_period) {
    wait_accounts all;
    const auto a = limited(all, 10, 3);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a->take(at(0s)).count(), 0) << i;
    EXPECT_EQ(a->take(at(0s)), 100ms);
    EXPECT_EQ(a->take(at(99ms)), 1ms);
    EXPECT_EQ(a->take(at(100ms)).count(), 0);
    EXPECT_EQ(a->take(at(100ms)), 100ms);
    // After a pause there is one burst, however long the pause was.
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a->take(at(1h)).count(), 0) << i;
    EXPECT_GT(a->take(at(1h)).count(), 0);
}

TEST(submit_rate, several_at_once_count_as_so_many_also_beyond_the_burst) {
    wait_accounts all;
    const auto a = limited(all, 10, 3);
    EXPECT_EQ(a->take(at(0s), 10).count(), 0);
    EXPECT_EQ(a->take(at(0s), 1), 800ms);
    EXPECT_EQ(a->take(at(0s), 3), 1s);
    EXPECT_EQ(a->take(at(800ms), 1).count(), 0);
}

TEST(submit_rate, a_new_rate_counts_from_its_beginning) {
    wait_accounts all;
    const auto a = limited(all, 0.001, 1);
    EXPECT_EQ(a->take(at(0s)).count(), 0);
    EXPECT_GT(a->take(at(1s)), 900s);
    all.set_rules({1, 0, 1, 1}, {});
    EXPECT_EQ(a->take(at(1s)).count(), 0);
    all.set_rules({}, {{"ci", {1, 0, 5, 1}}});
    EXPECT_EQ(a->take(at(1s)).count(), 0);
    EXPECT_EQ(a->take(at(1s)), 200ms);
    EXPECT_EQ(all.find("others")->take(at(1s), 100).count(), 0);
}

TEST(submit_rate, many_threads_together_get_what_one_would) {
    wait_accounts all;
    const auto a = limited(all, 1000, 50);
    std::atomic<int> in{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i)
                if (a->take(at(0s)).count() == 0) ++in;
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(in, 50);
}

}  // namespace
}  // namespace sigrun
