// The group of a job document.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

struct spec_group : testing::Test {
    spec_defaults defaults;
    result<spec_ptr> parse(const std::string& members) {
        const auto select = make_selector({scripted::make("first", propose_nothing)});
        return parse_job_spec("{\"command\":[\"true\"]" + members + "}", *select, defaults);
    }
};

TEST_F(spec_group, a_job_is_in_none_unless_it_says_so) { EXPECT_EQ(parse("").value()->group, nullptr); }

TEST_F(spec_group, a_name_is_enough) {
    const auto spec = parse(R"(,"group":"deploy","tenant":"we")").value();
    EXPECT_EQ(spec->group->group->name, "deploy");
    EXPECT_EQ(spec->group->group->tenant, "we");
    EXPECT_EQ(spec->group->max, 0u);
    EXPECT_EQ(spec->group->policy, group_policy::queue);
}

TEST_F(spec_group, jobs_of_one_tenant_share_it) {
    const auto a = parse(R"(,"group":"deploy")").value(), b = parse(R"(,"group":{"name":"deploy","max":2})").value(),
               c = parse(R"(,"group":"deploy","tenant":"other")").value();
    EXPECT_EQ(a->group->group, b->group->group);
    EXPECT_NE(a->group->group, c->group->group);
    EXPECT_EQ(b->group->max, 2u);
}

TEST_F(spec_group, each_policy_is_read) {
    for (const auto each :
         {group_policy::queue, group_policy::cancel_running, group_policy::cancel_waiting, group_policy::refuse})
        EXPECT_EQ(
            parse(R"(,"group":{"name":"g","policy":")" + std::string(to_string(each)) + "\"}").value()->group->policy,
            each);
}

TEST_F(spec_group, what_cannot_be_is_refused_with_the_field) {
    const auto field = [this](const std::string& members) {
        const auto spec = parse("," + members);
        EXPECT_FALSE(spec) << members;
        return spec ? std::string() : spec.error().field;
    };
    EXPECT_EQ(field(R"("group":"")"), "group");
    EXPECT_EQ(field(R"("group":7)"), "group");
    EXPECT_EQ(field(R"("group":{})"), "group.name");
    EXPECT_EQ(field(R"("group":{"name":"g","max":0})"), "group.max");
    EXPECT_EQ(field(R"("group":{"name":"g","max":1.5})"), "group.max");
    EXPECT_EQ(field(R"("group":{"name":"g","max":100001})"), "group.max");
    EXPECT_EQ(field(R"("group":{"name":"g","policy":"fight"})"), "group.policy");
    EXPECT_EQ(field(R"("group":{"name":"g","maximum":1})"), "group.maximum");
    EXPECT_EQ(field(R"("group":{"name":"g\n"})"), "group.name");
    EXPECT_EQ(field(R"("group":{"name":"g","policy":"refuse"},"delay":"1s")"), "group.policy");
    EXPECT_EQ(field("\"group\":\"" + std::string(129, 'g') + "\""), "group");
}

}  // namespace
