// What the configuration says for job documents that leave it open: balancer, priority, affinity.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

struct documents {
    std::unique_ptr<selector> select =
        make_selector({scripted::make("first", propose_nothing), scripted::make("second", propose_nothing),
                       scripted::make("third", propose_nothing)});
    spec_defaults defaults;
    std::shared_ptr<spec_rules> rules = std::make_shared<spec_rules>();
    documents() { defaults.rules = rules; }
    result<spec_ptr> parse(const std::string& members) {
        return parse_job_spec("{\"command\":[\"true\"]" + members + "}", *select, defaults);
    }
    std::string decides(const std::string& members) {
        const auto spec = parse(members).value();
        return std::string(select->balancer_name(spec->balancer_id ? spec->balancer_id : 1));
    }
};

TEST(spec_rules, mission_L4_a_job_goes_before_its_queue_and_that_before_the_rule_for_its_priority) {
    documents d;
    EXPECT_EQ(d.decides(""), "first");  // the default one
    d.rules->balancers[static_cast<std::size_t>(priority_band::high)] = "second";
    EXPECT_EQ(d.decides(",\"priority\":\"high\""), "second");
    EXPECT_EQ(d.decides(",\"priority\":\"low\""), "first");
    d.rules->queues["q"].balancer = "third";
    EXPECT_EQ(d.decides(",\"priority\":\"high\",\"queue\":\"q\""), "third");
    EXPECT_EQ(d.decides(",\"priority\":\"high\",\"queue\":\"other\""), "second");
    EXPECT_EQ(d.decides(",\"priority\":\"high\",\"queue\":\"q\",\"balancer\":\"first\""), "first");
    // A queue without a balancer leaves it to the rule; one whose plugin has gone leaves it to the default.
    d.rules->queues["plain"];
    EXPECT_EQ(d.decides(",\"priority\":\"high\",\"queue\":\"plain\""), "second");
    d.rules->queues["q"].balancer = "gone";
    EXPECT_EQ(d.decides(",\"queue\":\"q\""), "first");
}

TEST(spec_rules, an_unknown_balancer_of_a_job_is_refused_with_the_known_ones) {
    documents d;
    const auto refused = d.parse(",\"balancer\":\"nobody\"");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "balancer");
    EXPECT_EQ(refused.error().expected, "one of first, second, third");
    EXPECT_EQ(refused.error().found, "\"nobody\"");
}

TEST(spec_rules, a_queue_gives_its_priority_to_jobs_that_name_none) {
    documents d;
    d.rules->queues["urgent"].priority = priority_band::critical;
    d.rules->balancers[static_cast<std::size_t>(priority_band::critical)] = "second";
    EXPECT_EQ(d.parse(",\"queue\":\"urgent\"").value()->priority, priority_band::critical);
    EXPECT_EQ(d.decides(",\"queue\":\"urgent\""), "second");
    EXPECT_EQ(d.parse(",\"queue\":\"urgent\",\"priority\":\"low\"").value()->priority, priority_band::low);
    EXPECT_EQ(d.parse("").value()->priority, priority_band::normal);
}

TEST(spec_rules, affinity_is_a_text_of_at_most_256_bytes_and_its_key_is_never_0) {
    documents d;
    EXPECT_EQ(d.parse("").value()->affinity_key, 0u);
    EXPECT_EQ(d.parse(",\"affinity\":\"\"").value()->affinity_key, 0u);
    const auto key = d.parse(",\"affinity\":\"repo-7\"").value()->affinity_key;
    EXPECT_NE(key, 0u);
    EXPECT_EQ(d.parse(",\"affinity\":\"repo-7\",\"priority\":\"low\"").value()->affinity_key, key);
    EXPECT_NE(d.parse(",\"affinity\":\"repo-8\"").value()->affinity_key, key);
    EXPECT_TRUE(d.parse(",\"affinity\":\"" + std::string(256, 'x') + "\""));
    for (const std::string& bad :
         {"\"" + std::string(257, 'x') + "\"", std::string("7"), std::string("\"a\\u0000b\"")}) {
        const auto refused = d.parse(",\"affinity\":" + bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().field, "affinity");
    }
}

}  // namespace
