#include "kernel/job/run_group.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace std::chrono_literals;

const time_point k_now{100s};

job_in_group job_of_age(std::int64_t since, std::uint32_t max = 0, std::uint8_t band = 2) {
    return {{static_cast<std::uint64_t>(since), 7}, band, since, max};
}

std::vector<id> ids(std::initializer_list<job_in_group> jobs) {
    std::vector<id> out;
    for (const auto& each : jobs) out.push_back(each.job);
    return out;
}

TEST(run_group, one_is_let_in_where_nobody_says_how_many) {
    run_group g("", "deploy");
    const auto a = job_of_age(1), b = job_of_age(2);
    g.line_up(b);
    g.line_up(a);
    EXPECT_EQ(g.admit(k_now).in, ids({a}));
    EXPECT_TRUE(g.admit(k_now).in.empty());
    EXPECT_TRUE(g.leave(a.job));
    EXPECT_EQ(g.admit(k_now).in, ids({b}));
}

TEST(run_group, the_urgent_come_first_and_then_the_older) {
    run_group g("", "deploy");
    g.set_rules({.max = 10});
    const auto old = job_of_age(1), young = job_of_age(2), urgent = job_of_age(3, 0, 0);
    for (const auto& each : {young, old, urgent}) g.line_up(each);
    EXPECT_EQ(g.line(), ids({urgent, old, young}));
    EXPECT_EQ(g.standing(young.job), (std::pair<std::size_t, std::size_t>{0, 2}));
    EXPECT_EQ(g.admit(k_now).in, ids({urgent, old, young}));
}

TEST(run_group, the_strictest_of_those_inside_counts_for_who_comes) {
    run_group g("", "deploy");
    const auto two = job_of_age(1, 2), three = job_of_age(2, 3), other = job_of_age(3, 3);
    for (const auto& each : {two, three, other}) g.line_up(each);
    EXPECT_EQ(g.admit(k_now).in, ids({two, three}));
    EXPECT_EQ(g.limit_for(3), 2u);
    g.leave(two.job);
    EXPECT_EQ(g.limit_for(3), 3u);
    EXPECT_EQ(g.admit(k_now).in, ids({other}));
}

TEST(run_group, who_allows_fewer_waits_until_there_are_no_more_and_holds_back_those_behind) {
    run_group g("", "deploy");
    const auto a = job_of_age(1, 3), b = job_of_age(2, 3), alone = job_of_age(3, 1), late = job_of_age(4, 3);
    for (const auto& each : {a, b, alone, late}) g.line_up(each);
    EXPECT_EQ(g.admit(k_now).in, ids({a, b}));
    g.leave(a.job);
    EXPECT_TRUE(g.admit(k_now).in.empty());
    g.leave(b.job);
    EXPECT_EQ(g.admit(k_now).in, ids({alone}));
    g.leave(alone.job);
    EXPECT_EQ(g.admit(k_now).in, ids({late}));
}

TEST(run_group, who_says_nothing_is_alone_where_the_configuration_says_nothing_either) {
    run_group g("", "deploy");
    const auto silent = job_of_age(1), two = job_of_age(2, 2);
    g.put_in(silent);
    EXPECT_EQ(g.limit_for(2), 1u);
    g.set_rules({.max = 3});
    EXPECT_EQ(g.limit_for(2), 2u);
    EXPECT_EQ(g.limit_for(0), 3u);
    g.put_in(two);
    EXPECT_EQ(g.limit_for(3), 2u);
    g.leave(silent.job);
    g.set_rules({});
    EXPECT_EQ(g.limit_for(3), 2u);
    EXPECT_EQ(g.limit_for(0), 1u);
}

TEST(run_group, the_configuration_is_the_most_that_a_job_can_get) {
    run_group g("", "deploy");
    g.set_rules({.max = 2});
    EXPECT_EQ(g.limit_for(0), 2u);
    EXPECT_EQ(g.limit_for(1), 1u);
    EXPECT_EQ(g.limit_for(9), 2u);
    for (std::int64_t i = 1; i <= 3; ++i) g.line_up(job_of_age(i, 9));
    EXPECT_EQ(g.admit(k_now).in.size(), 2u);
    g.set_rules({.max = 3});
    EXPECT_EQ(g.admit(k_now).in.size(), 1u);
}

TEST(run_group, who_was_in_before_a_restart_is_in_even_if_they_are_too_many) {
    run_group g("", "deploy");
    const auto a = job_of_age(1), b = job_of_age(2), c = job_of_age(3);
    g.put_in(a);
    g.put_in(b);
    g.put_in(b);
    g.line_up(c);
    EXPECT_EQ(g.inside(), ids({a, b}));
    g.leave(a.job);
    EXPECT_TRUE(g.admit(k_now).in.empty());
    g.leave(b.job);
    EXPECT_EQ(g.admit(k_now).in, ids({c}));
}

TEST(run_group, who_leaves_the_line_leaves_no_place_behind) {
    run_group g("", "deploy");
    const auto a = job_of_age(1), b = job_of_age(2), c = job_of_age(3);
    for (const auto& each : {a, b, c}) g.line_up(each);
    g.admit(k_now);
    EXPECT_FALSE(g.leave(b.job));
    EXPECT_FALSE(g.leave(b.job));
    EXPECT_TRUE(g.leave(a.job));
    EXPECT_EQ(g.admit(k_now).in, ids({c}));
    EXPECT_TRUE(g.leave(c.job));
    EXPECT_TRUE(g.inside().empty());
    EXPECT_EQ(g.limit_for(5), 5u);
}

TEST(run_group, who_wants_in_at_once_gets_in_only_where_nobody_waits) {
    run_group g("", "deploy");
    const auto a = job_of_age(1, 2), b = job_of_age(2, 1), c = job_of_age(3, 2);
    EXPECT_TRUE(g.try_in(a, k_now));
    g.line_up(b);  // wants to be alone
    EXPECT_FALSE(g.try_in(c, k_now));
    g.leave(b.job);
    EXPECT_TRUE(g.try_in(c, k_now));
    EXPECT_FALSE(g.try_in(job_of_age(4, 2), k_now));
}

TEST(run_group, a_rate_lets_in_one_after_the_other) {
    run_group g("", "mail");
    g.set_rules({.max = 100, .rate = 10});
    for (std::int64_t i = 1; i <= 3; ++i) g.line_up(job_of_age(i));
    auto first = g.admit(k_now);
    EXPECT_EQ(first.in.size(), 1u);
    EXPECT_EQ(first.again, k_now + 100ms);
    EXPECT_TRUE(g.admit(k_now + 99ms).in.empty());
    auto second = g.admit(k_now + 100ms);
    EXPECT_EQ(second.in.size(), 1u);
    EXPECT_EQ(second.again, k_now + 200ms);
    // Time in which nobody came is not made up for.
    EXPECT_EQ(g.admit(k_now + 10s).in.size(), 1u);
    g.line_up(job_of_age(4));
    EXPECT_EQ(g.admit(k_now + 10s).again, k_now + 10s + 100ms);
}

TEST(run_group, a_burst_is_let_in_at_once_and_then_the_rate_counts) {
    run_group g("", "mail");
    g.set_rules({.max = 100, .rate = 10, .burst = 3});
    for (std::int64_t i = 1; i <= 5; ++i) g.line_up(job_of_age(i));
    auto first = g.admit(k_now);
    EXPECT_EQ(first.in.size(), 3u);
    EXPECT_EQ(first.again, k_now + 100ms);
    EXPECT_EQ(g.admit(k_now + 100ms).in.size(), 1u);
    EXPECT_EQ(g.admit(k_now + 10s).in.size(), 1u);
    for (std::int64_t i = 6; i <= 9; ++i) g.line_up(job_of_age(i));
    EXPECT_EQ(g.admit(k_now + 10s).in.size(), 2u);
}

TEST(run_group, a_full_group_asks_for_no_time) {
    run_group g("", "mail");
    g.set_rules({.max = 1, .rate = 10});
    g.line_up(job_of_age(1));
    g.line_up(job_of_age(2));
    EXPECT_FALSE(g.admit(k_now).again);
}

TEST(run_groups, a_group_is_of_one_tenant_and_its_rules_are_of_its_name) {
    run_groups groups;
    groups.set_rules({{"deploy", {.max = 3}}});
    const auto ours = groups.find("we", "deploy"), theirs = groups.find("they", "deploy"),
               other = groups.find("we", "build");
    EXPECT_NE(ours, theirs);
    EXPECT_EQ(groups.find("we", "deploy"), ours);
    EXPECT_EQ(ours->limit_for(0), 3u);
    EXPECT_EQ(theirs->limit_for(0), 3u);
    EXPECT_EQ(other->limit_for(0), 1u);
    EXPECT_EQ(groups.set_rules({{"build", {.max = 2}}}).size(), 3u);
    EXPECT_EQ(ours->limit_for(0), 1u);
    EXPECT_EQ(other->limit_for(0), 2u);
}

TEST(run_groups, one_that_nobody_holds_is_forgotten) {
    run_groups groups;
    std::weak_ptr<run_group> seen = groups.find("", "deploy");
    EXPECT_TRUE(seen.expired());
    groups.find("", "deploy")->line_up(job_of_age(1));
    EXPECT_TRUE(groups.find("", "deploy")->line().empty());
}

}  // namespace
