#include "kernel/job/hedge_budget.hpp"

#include <gtest/gtest.h>

namespace {

using sigrun::hedge_budget;

TEST(hedge_budget, nothing_before_there_were_enough_offers) {
    hedge_budget budget;
    EXPECT_FALSE(budget.take(0, 0.02));
    EXPECT_FALSE(budget.take(49, 0.02));
    EXPECT_TRUE(budget.take(50, 0.02));
    EXPECT_FALSE(budget.take(50, 0.02));
}

TEST(hedge_budget, never_more_than_the_share_of_all_offers) {
    hedge_budget budget;
    int taken = 0;
    for (std::uint64_t offers = 1; offers <= 10'000; ++offers) {
        while (budget.take(offers, 0.02)) ++taken;
        ASSERT_LE(taken, 0.02 * static_cast<double>(offers) + 1e-6);
    }
    EXPECT_GE(taken, 199);
}

TEST(hedge_budget, what_is_not_used_is_kept_for_ten) {
    hedge_budget budget;
    int taken = 0;
    while (budget.take(1'000'000, 0.02)) ++taken;
    EXPECT_EQ(taken, 10);
}

TEST(hedge_budget, what_was_not_begun_is_given_back) {
    hedge_budget budget;
    ASSERT_TRUE(budget.take(50, 0.02));
    budget.give_back();
    EXPECT_TRUE(budget.take(50, 0.02));
    EXPECT_FALSE(budget.take(50, 0.02));
}

TEST(hedge_budget, a_share_of_nothing_is_nothing) {
    hedge_budget budget;
    EXPECT_FALSE(budget.take(1'000'000, 0));
}

}  // namespace
