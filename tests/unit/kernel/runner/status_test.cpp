#include "kernel/runner/status.hpp"

#include <gtest/gtest.h>

namespace {

using sigrun::admin_state;
using sigrun::runner_status;
using sigrun::status_inputs;
using sigrun::status_machine;

TEST(runner_status, every_combination_of_inputs_has_the_status_of_the_highest_rank) {
    for (int bits = 0; bits < 24; ++bits) {
        status_inputs in;
        in.admin = static_cast<admin_state>(bits / 8);
        in.faulty = bits & 1;
        in.linked = bits & 2;
        in.full = bits & 4;
        runner_status expected = runner_status::online;
        if (in.full) expected = runner_status::busy;
        if (!in.linked) expected = runner_status::offline;
        if (in.faulty) expected = runner_status::error;
        if (in.admin == admin_state::draining) expected = runner_status::draining;
        if (in.admin == admin_state::maintenance) expected = runner_status::maintenance;
        EXPECT_EQ(status_machine::derive(in), expected) << bits;
    }
}

TEST(runner_status, busy_is_only_reached_from_online) {
    status_machine m;
    auto first = m.apply({admin_state::none, false, true, true}, "connected");
    ASSERT_TRUE(first);
    EXPECT_EQ(first->from, runner_status::offline);
    EXPECT_EQ(first->to, runner_status::online);
    auto second = m.apply({admin_state::none, false, true, true}, "connected");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->to, runner_status::busy);
    EXPECT_FALSE(m.apply({admin_state::none, false, true, true}, "again"));
}

TEST(runner_status, an_operators_word_outranks_a_lost_link_and_ends_with_resume) {
    status_machine m;
    m.apply({admin_state::none, false, true, false}, "connected");
    EXPECT_EQ(m.apply({admin_state::maintenance, false, true, false}, "new disk")->to, runner_status::maintenance);
    EXPECT_EQ(m.reason(), "new disk");
    EXPECT_FALSE(m.apply({admin_state::maintenance, false, false, false}, "new disk"));
    EXPECT_EQ(m.apply({admin_state::none, false, false, false}, "resumed")->to, runner_status::offline);
}

TEST(runner_status, names_are_read_back) {
    for (int i = 0; i < 6; ++i) {
        auto s = static_cast<runner_status>(i);
        EXPECT_EQ(sigrun::parse_runner_status(sigrun::to_string(s)), s);
    }
    EXPECT_FALSE(sigrun::parse_runner_status("sleeping"));
}

}  // namespace
