// Copies of slow jobs, as a job document asks for them.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

result<spec_ptr> parse(const std::string& members) {
    const auto select = make_selector({scripted::make("first", propose_nothing)});
    return parse_job_spec("{\"command\":[\"true\"]" + members + "}", *select, {});
}

TEST(spec_hedge, only_who_asks_for_it_has_it) {
    EXPECT_FALSE(parse("").value()->hedge);
    EXPECT_FALSE(parse(R"(,"hedge":false,"idempotent":false)").value()->hedge);
    EXPECT_TRUE(parse(R"(,"hedge":true)").value()->hedge);
    EXPECT_FALSE(parse(R"(,"hedge":true)").value()->explain);
    EXPECT_TRUE(parse(R"(,"explain":true)").value()->explain);
}

TEST(spec_hedge, what_must_not_run_twice_has_no_copy_in_whatever_order_it_is_said) {
    for (const auto* members : {R"(,"hedge":true,"idempotent":false)", R"(,"idempotent":false,"hedge":true)"}) {
        const auto refused = parse(members);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().field, "hedge");
        EXPECT_NE(refused.error().expected.find("must not run twice"), std::string::npos);
    }
    const auto grouped = parse(R"(,"hedge":true,"group":"deploy")");
    ASSERT_FALSE(grouped);
    EXPECT_EQ(grouped.error().field, "hedge");
    const auto refused = parse(R"(,"hedge":1)");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().expected, "true or false");
}

}  // namespace
