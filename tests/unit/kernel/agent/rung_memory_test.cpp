#include "kernel/agent/rung_memory.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using order = std::vector<std::size_t>;

TEST(rung_memory_order, the_winner_is_tried_first_for_an_hour) {
    rung_memory m(3);
    time_point now{1h};
    EXPECT_EQ(m.to_try(3, true, now), (order{0, 1, 2}));
    m.won(2, now);
    EXPECT_EQ(m.to_try(3, true, now + 59min), (order{2, 0, 1}));
    EXPECT_EQ(m.to_try(3, true, now + 60min), (order{0, 1, 2}));
    EXPECT_EQ(m.to_try(2, false, now), (order{0, 1})) << "only the better ones are asked for";
}

TEST(rung_memory_order, a_rung_in_trouble_is_left_out_until_its_trial) {
    rung_memory m(2);
    time_point now{1h};
    for (int i = 0; i < 3; ++i) m.failed(0, now += 3s);
    EXPECT_EQ(m.to_try(2, true, now + 29s), (order{1}));
    EXPECT_EQ(m.to_try(2, true, now + 30s), (order{0, 1}));
    EXPECT_EQ(m.to_try(2, true, now + 31s), (order{1})) << "one trial";
    m.given_up(0, now + 32s);
    EXPECT_EQ(m.to_try(2, true, now + 62s), (order{0, 1}));
}

TEST(rung_memory_order, when_all_are_in_trouble_it_is_the_controller_and_all_are_tried) {
    rung_memory m(2);
    time_point now{1h};
    for (int i = 0; i < 3; ++i) {
        now += 3s;
        m.failed(0, now);
        m.failed(1, now);
    }
    EXPECT_EQ(m.to_try(2, true, now), (order{0, 1}));
    EXPECT_EQ(m.to_try(2, false, now), order{}) << "but not to look for a better one";
}

TEST(rung_memory_order, a_way_that_is_not_enabled_is_not_tried_for_an_hour) {
    rung_memory m(2);
    time_point now{1h};
    m.not_there(0, now);
    EXPECT_EQ(m.to_try(2, true, now + 59min), (order{1}));
    EXPECT_EQ(m.to_try(2, true, now + 61min), (order{0, 1}));
}

}  // namespace
}  // namespace sigrun
