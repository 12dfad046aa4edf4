#include <sigrun/cpp/expected_cost.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace sigrun::sdk {
namespace {

std::uint64_t hot_word(double relative_cost, std::uint32_t places, std::uint32_t in_flight) {
    const auto cost = static_cast<std::uint64_t>(std::lround(256 * (std::log2(relative_cost) + 64)));
    const auto invcap = static_cast<std::uint64_t>(std::lround(4096 - 256 * std::log2(places)));
    return in_flight | cost << 16 | invcap << 32;
}

TEST(expected_cost, the_logarithm_is_within_two_steps_of_the_exact_one) {
    for (std::uint32_t x = 1; x <= 65'536; ++x)
        ASSERT_NEAR(log2_256(x), 256 * std::log2(x), 2.0) << x;
}

TEST(expected_cost, orders_runners_as_the_formula_does) {
    std::mt19937 random(7);
    auto exact = [](double r, double places, double q) { return r * std::max(1.0, (q + 1) / places); };
    for (int i = 0; i < 100'000; ++i) {
        double r[2], e[2];
        std::uint32_t score[2];
        for (int k = 0; k < 2; ++k) {
            r[k] = std::exp2(std::uniform_real_distribution<>(-6, 6)(random));
            const std::uint32_t places = 1 + random() % 64, q = random() % 128;
            e[k] = exact(r[k], places, q);
            score[k] = expected_cost(hot_word(r[k], places, q));
        }
        // Where they are closer, rounding may turn the order around.
        if (e[0] * 1.015 < e[1] || e[1] * 1.015 < e[0]) {
            ASSERT_EQ(score[0] < score[1], e[0] < e[1]);
        }
    }
}

TEST(expected_cost, more_places_are_not_faster_while_one_is_free) {
    EXPECT_EQ(expected_cost(hot_word(1, 1, 0)), expected_cost(hot_word(1, 64, 0)));
    EXPECT_EQ(expected_cost(hot_word(1, 64, 0)), expected_cost(hot_word(1, 64, 63)));
    EXPECT_LT(expected_cost(hot_word(1, 64, 63)), expected_cost(hot_word(1, 64, 127)));
    EXPECT_EQ(expected_cost(hot_word(1, 1, 1)), expected_cost(hot_word(2, 1, 0)));
}

}  // namespace
}  // namespace sigrun::sdk
