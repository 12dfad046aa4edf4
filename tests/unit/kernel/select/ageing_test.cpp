// When answers end by time alone: the earliest of each slot counts, whatever order they are told in.
#include "kernel/select/ageing.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace {

using namespace sigrun;

/// Takes all that are due; none expects anything again.
std::vector<std::uint32_t> taken(ageing& a, std::int64_t now) {
    std::vector<std::uint32_t> out;
    while (const auto slot = a.take(now)) {
        out.push_back(*slot);
        a.judged();
    }
    return out;
}

TEST(ageing, slots_come_when_their_time_has_come_the_earliest_first) {
    ageing a(64);
    a.expect(1, 300);
    a.expect(2, 100);
    a.expect(3, 200);
    EXPECT_FALSE(a.due(99));
    EXPECT_FALSE(a.outdated(2, 99));
    EXPECT_TRUE(a.due(100));
    EXPECT_TRUE(a.outdated(2, 100));
    EXPECT_FALSE(a.outdated(3, 100));
    EXPECT_EQ(taken(a, 250), (std::vector<std::uint32_t>{2, 3}));
    EXPECT_FALSE(a.due(299));
    EXPECT_EQ(taken(a, 300), (std::vector<std::uint32_t>{1}));
    EXPECT_FALSE(a.due(1'000'000));
}

TEST(ageing, of_several_times_of_a_slot_the_earliest_counts) {
    ageing a(64);
    a.expect(5, 300);
    a.expect(5, 100);
    a.expect(5, 200);
    EXPECT_EQ(taken(a, 1000), (std::vector<std::uint32_t>{5}));
}

TEST(ageing, a_slot_counts_as_outdated_until_it_was_judged) {
    ageing a(64);
    a.expect(7, 100);
    ASSERT_EQ(a.take(150), 7u);
    EXPECT_TRUE(a.outdated(7, 150));
    a.expect(7, 400);
    a.expect(7, 300);
    EXPECT_TRUE(a.outdated(7, 150));
    a.judged();
    EXPECT_FALSE(a.outdated(7, 299));
    EXPECT_TRUE(a.outdated(7, 300));
    EXPECT_FALSE(a.take(299));
    EXPECT_EQ(a.take(300), 7u);
    a.judged();
    EXPECT_FALSE(a.outdated(7, 1000));
}

TEST(ageing, random_times_come_in_order_and_none_is_lost) {
    constexpr std::uint32_t k_slots = 1000;
    ageing a(k_slots);
    std::mt19937_64 random(3);
    std::map<std::uint32_t, std::int64_t> earliest;
    // Ever earlier times of the same slots: what is void does not pile up.
    for (int i = 0; i < 200'000; ++i) {
        const auto slot = static_cast<std::uint32_t>(random() % k_slots);
        const auto ns = static_cast<std::int64_t>(1 + random() % 1'000'000);
        a.expect(slot, ns);
        auto [at, fresh] = earliest.try_emplace(slot, ns);
        at->second = std::min(at->second, ns);
    }
    std::int64_t last = 0;
    while (const auto slot = a.take(1'000'000)) {
        a.judged();
        ASSERT_TRUE(earliest.contains(*slot));
        EXPECT_GE(earliest[*slot], last);
        last = earliest[*slot];
        earliest.erase(*slot);
    }
    EXPECT_TRUE(earliest.empty());
}

}  // namespace
