// What there is for a requirement, and which labels it asks for.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using test::join, test::machine, test::make_selector, test::profile, test::real_balancer;

struct supply : testing::Test {
    static protection reserving() {
        protection p;
        p.reserve_for_urgent = true;
        p.max_runner_load = 0.8;
        p.slow_start = nanoseconds(0);
        return p;
    }
    std::unique_ptr<selector> index = make_selector({real_balancer("round_robin")});
    predicate_ptr any = index->intern(requirement::compile("").value());

    std::vector<selector::supplier> all(protocol_mask allowed = 0xffff) const {
        std::vector<selector::supplier> out;
        index->suppliers(*any, allowed, [&](const selector::supplier& s) { out.push_back(s); });
        return out;
    }
    void claim(slot_ref at, int n) const {
        for (int i = 0; i < n; ++i) index->claim_existing(at);
    }
};

TEST_F(supply, free_places_are_those_that_a_job_may_take) {
    const auto at = join(*index, profile(machine(), 4));
    claim(at, 3);
    auto one = all();
    ASSERT_EQ(one.size(), 1u);
    EXPECT_TRUE(one[0].open);
    EXPECT_EQ(one[0].places, 4u);
    EXPECT_EQ(one[0].in_flight, 3u);
    EXPECT_EQ(one[0].free, 1u);
    claim(at, 3);  // more than it has, as after a restart
    EXPECT_EQ(all()[0].free, 0u);
}

TEST_F(supply, a_closed_runner_is_told_and_has_nothing_free) {
    const auto at = join(*index, profile(machine(), 4));
    index->set_open(at, false);
    ASSERT_EQ(all().size(), 1u);
    EXPECT_FALSE(all()[0].open);
    EXPECT_EQ(all()[0].places, 4u);
    EXPECT_EQ(all()[0].free, 0u);
}

TEST_F(supply, another_protocol_is_no_free_place) {
    join(*index, profile(machine(), 4, 2));
    EXPECT_EQ(all(1)[0].free, 0u);
    EXPECT_EQ(all(2)[0].free, 4u);
}

TEST_F(supply, places_kept_for_urgent_jobs_are_not_free) {
    index = make_selector({real_balancer("round_robin")}, 10'000, reserving());
    any = index->intern(requirement::compile("").value());
    const auto at = join(*index, profile(machine(), 10));
    EXPECT_EQ(all()[0].free, 8u);
    claim(at, 8);
    EXPECT_EQ(all()[0].free, 0u);
}

TEST_F(supply, whether_anything_matches_is_known_without_a_look_at_the_runners) {
    EXPECT_FALSE(index->known_to_match(*any));
    const auto at = join(*index, profile(machine(), 1));
    EXPECT_TRUE(index->known_to_match(*any));
    EXPECT_FALSE(index->known_to_match(*index->intern(requirement::compile("label.no == \"where\"").value())));
    index->remove(at);
    EXPECT_FALSE(index->known_to_match(*any));
}

TEST(asked_labels, are_those_that_must_have_one_value) {
    using labels = std::vector<std::pair<std::string, std::string>>;
    const auto of = [](const char* text) { return requirement::compile(text).value()->asked_labels(); };
    EXPECT_EQ(of(""), labels{});
    EXPECT_EQ(of("label.zone == \"eu\""), (labels{{"zone", "eu"}}));
    EXPECT_EQ(of("\"eu\" == label.zone && cpu.effective_cores >= 2 && label[\"a/b\"] == \"x\""),
              (labels{{"zone", "eu"}, {"a/b", "x"}}));
    EXPECT_EQ(of("label.zone == \"eu\" || label.zone == \"us\""), labels{});
    EXPECT_EQ(of("label.zone != \"eu\" && !(label.a == \"b\") && label.c in [\"d\"]"), labels{});
}

}  // namespace
}  // namespace sigrun
