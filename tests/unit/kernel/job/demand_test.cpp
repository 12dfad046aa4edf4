#include "kernel/job/demand.hpp"

#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

constexpr time_point at(nanoseconds after) { return time_point(1000s + after); }

TEST(wait_ages, the_oldest_is_known_to_a_step_and_goes_with_its_job) {
    wait_ages ages;
    EXPECT_FALSE(ages.oldest());
    ages.add(wait_ages::step_of(at(5s)));
    ages.add(wait_ages::step_of(at(2s)));
    ages.add(wait_ages::step_of(at(9s)));
    ASSERT_TRUE(ages.oldest());
    EXPECT_GE(*ages.oldest(), at(2s));
    EXPECT_LE(*ages.oldest(), at(2s) + wait_ages::k_step);
    ages.remove(wait_ages::step_of(at(2s)));
    EXPECT_GE(*ages.oldest(), at(5s));
    ages.remove(wait_ages::step_of(at(9s)));
    ages.remove(wait_ages::step_of(at(5s)));
    EXPECT_FALSE(ages.oldest());
}

TEST(wait_ages, those_that_wait_for_less_are_counted) {
    wait_ages ages;
    for (int i = 0; i < 10; ++i) ages.add(wait_ages::step_of(at(1s * i)));
    EXPECT_EQ(ages.since_after(at(-1s)), 10u);
    EXPECT_EQ(ages.since_after(at(4s)), 5u);
    EXPECT_EQ(ages.since_after(at(1h)), 0u);
}

struct board : testing::Test {
    std::unique_ptr<selector> select = test::make_selector({test::real_balancer("round_robin")});
    wait_accounts accounts;
    demand_board all;
    predicate_ptr pred(const std::string& text) { return select->intern(requirement::compile(text).value()); }
    demand_ptr cell(const std::string& requires_text, const char* queue = "q", const char* tenant = "t",
                    const char* protocol = "auto") {
        return all.of(pred(requires_text), "process", protocol, accounts.find(queue), accounts.find(tenant));
    }
};

TEST_F(board, jobs_that_are_alike_share_a_cell_and_others_do_not) {
    const auto one = cell("label.a == \"1\"");
    EXPECT_EQ(one, cell("label.a==\"1\""));
    EXPECT_NE(one, cell("label.a == \"2\""));
    EXPECT_NE(one, cell("label.a == \"1\"", "other"));
    EXPECT_NE(one, cell("label.a == \"1\"", "q", "other"));
    EXPECT_NE(one, cell("label.a == \"1\"", "q", "t", "http"));
}

TEST_F(board, a_job_is_counted_where_it_is_and_nowhere_when_it_has_gone) {
    const auto c = cell("label.a == \"1\"");
    EXPECT_TRUE(all.busy().empty());
    {
        demand_place job, other;
        job.move(c.get(), demand_kind::delayed);
        other.move(c.get(), demand_kind::queued, at(1s));
        EXPECT_EQ(c->read(at(1h)).of(demand_kind::delayed), 1u);
        job.move(c.get(), demand_kind::queued, at(3s), true);
        job.move(c.get(), demand_kind::queued, at(3s), true);  // again: nothing changes
        auto read = c->read(at(2s));
        EXPECT_EQ(read.of(demand_kind::delayed), 0u);
        EXPECT_EQ(read.of(demand_kind::queued), 2u);
        EXPECT_EQ(read.waited, 1u);
        EXPECT_EQ(read.picky, 1u);
        EXPECT_LE(read.oldest, at(1s) + wait_ages::k_step);
        ASSERT_EQ(all.busy().size(), 1u);
        job.move(c.get(), demand_kind::running);
        other.move(c.get(), demand_kind::retrying);
        read = c->read(at(1h));
        EXPECT_EQ(read.of(demand_kind::queued), 0u);
        EXPECT_EQ(read.picky, 0u);
        EXPECT_EQ(read.of(demand_kind::running), 1u);
        EXPECT_EQ(read.of(demand_kind::retrying), 1u);
        EXPECT_EQ(read.oldest, time_point::max());
        other.move(c.get(), demand_kind::blocked);
        EXPECT_EQ(c->read(at(1h)).of(demand_kind::blocked), 1u);
        job.move(c.get(), demand_kind::none);
        other.move(c.get(), demand_kind::none);
    }
    EXPECT_TRUE(c->read(at(1h)).empty());
    EXPECT_TRUE(all.busy().empty());
}

TEST_F(board, cells_that_nobody_holds_are_forgotten) {
    for (int i = 0; i < 5000; ++i) cell("label.a == \"1\"", ("q" + std::to_string(i)).c_str());
    const auto held = cell("label.a == \"1\"", "held");
    demand_place job;
    job.move(held.get(), demand_kind::running);
    ASSERT_EQ(all.busy().size(), 1u);
    EXPECT_EQ(all.busy().front()->queue(), "held");
    job.move(held.get(), demand_kind::none);
}

}  // namespace
}  // namespace sigrun
