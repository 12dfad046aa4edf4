#include "unit/plugins/balancers/balancer_rig.hpp"

#include <sigrun/cpp/bit_select.hpp>
#include <sigrun/cpp/slot_sampler.hpp>

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace sigrun;
using namespace sigrun::test;

template <class Bits>
void expect_right_bits() {
    std::mt19937_64 random(1);
    for (int round = 0; round < 20'000; ++round) {
        std::uint64_t w = random();
        for (int i = round % 6; i > 0; --i) w &= random();
        if (round == 0) w = ~0ull;
        std::uint32_t n = 0;
        for (std::uint32_t bit = 0; bit < 64; ++bit) {
            if (!(w >> bit & 1)) continue;
            ASSERT_EQ(Bits::nth(w, n), bit) << w;
            ++n;
        }
        ASSERT_EQ(Bits::count(w), n) << w;
    }
}

TEST(bit_select, both_ways_find_each_bit) {
    expect_right_bits<sdk::portable_bits>();
    if (!sdk::has_fast_bits()) GTEST_SKIP() << "this processor has no fast way";
    expect_right_bits<sdk::fast_bits>();
}

TEST(slot_sampler, both_ways_draw_the_same_and_evenly) {
    made_fleet fleet;
    add_uneven_pages(fleet, 3, {.places = 4});
    for (int more = 0; more < 2; ++more) {
        sdk::slot_sampler portable, fast;
        std::mt19937_64 random(2);
        std::map<std::uint32_t, int> first, any;
        for (int i = 0; i < 30'000; ++i) {
            sigrun_req req{};
            req.pred_id = 4;
            sdk::bit_source bits(random());
            const sdk::bit_source same = bits;
            std::uint32_t a[4], b[4];
            const std::uint32_t want = 1 + static_cast<std::uint32_t>(i % 4);
            const auto got =
                portable.draw_lowest<sdk::portable_bits>(fleet.view(), req, fleet.feasible.data(), bits, want, a);
            ASSERT_EQ(got.n, want);
            ++first[a[0]];
            if (sdk::has_fast_bits()) {
                sdk::bit_source again = same;
                const auto other =
                    fast.draw_lowest<sdk::fast_bits>(fleet.view(), req, fleet.feasible.data(), again, want, b);
                ASSERT_EQ(other.n, got.n);
                ASSERT_TRUE(std::equal(a, a + want, b));
            }
            ASSERT_EQ(portable.draw_any<sdk::portable_bits>(fleet.view(), req, fleet.feasible.data(), bits, want, a).n,
                      want);
            for (std::uint32_t k = 0; k < want; ++k) ++any[a[k]];
        }
        EXPECT_SHARES(first, equal_shares(fleet));
        EXPECT_SHARES(any, equal_shares(fleet));
        for (int i = 0; i < 300; ++i) fleet.page(i % 9 ? 0xff : 0xf0f0f0, {.places = 4});  // more than a few words
    }
}

}  // namespace
