#include "stride.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace {

using namespace sigrun::round_robin;

TEST(stride, a_full_weight_is_taken_on_every_turn) {
    for (std::uint32_t slot : {0u, 1u, 63u, 9'999u, 70'000'000u})
        for (std::uint32_t turn = 0; turn < 1000; ++turn) EXPECT_TRUE(taken(k_full, slot, turn));
}

TEST(stride, any_run_of_turns_takes_a_slot_its_share_to_within_one) {
    for (std::uint32_t w : {1u, 7u, 655u, 13'107u, 32'768u, 65'534u})
        for (std::uint32_t slot : {0u, 5u, 4096u}) {
            for (std::uint32_t length : {1u, 10u, 1000u}) {
                for (std::uint32_t start = 0; start < 200'000; start += 9'973) {
                    int n = 0;
                    for (std::uint32_t t = start; t < start + length; ++t) n += taken(w, slot, t);
                    EXPECT_LT(std::abs(n - static_cast<double>(w) * length / k_full), 1.0);
                }
            }
        }
}

TEST(stride, the_wait_says_exactly_when_a_slot_is_taken_next) {
    for (std::uint32_t w : {1u, 2u, 999u, 20'000u, 65'535u})
        for (std::uint32_t slot = 0; slot < 300; slot += 13)
            for (std::uint32_t turn = 0; turn < 50; ++turn) {
                const std::uint32_t wait = turns_until_taken(w, slot, turn);
                EXPECT_TRUE(taken(w, slot, turn + wait));
                for (std::uint32_t t = 0; t < std::min(wait, 200u); ++t) EXPECT_FALSE(taken(w, slot, turn + t));
            }
}

TEST(stride, equal_weights_are_not_passed_over_together) {
    int taken_together = 0;
    for (std::uint32_t slot = 0; slot < 100; ++slot) taken_together += taken(k_full / 2, slot, 5);
    EXPECT_GT(taken_together, 30);
    EXPECT_LT(taken_together, 70);
}

}  // namespace
