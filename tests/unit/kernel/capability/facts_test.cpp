#include "kernel/capability/facts.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

fact make_fact(std::string key, json::value value) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.method = "read";
    f.source = "/proc/test";
    return f;
}

json::array array_of(std::string_view text) { return json::parse(text).as_array(); }

TEST(facts, lookups_find_sorted_keys_and_resolve_the_alias) {
    capability_document doc(
        {make_fact("memory.total_bytes", 7), make_fact("host.arch", "x86_64"), make_fact("cpu.cores", 2)});
    ASSERT_EQ(doc.facts().size(), 3u);
    EXPECT_EQ(doc.facts().front().key, "cpu.cores");
    ASSERT_NE(doc.find("os.arch"), nullptr);
    EXPECT_EQ(doc.find("os.arch"), doc.find("host.arch"));
    EXPECT_EQ(doc.find("memory.total_bytes")->value.to_number<int>(), 7);
    EXPECT_EQ(doc.find("memory.total"), nullptr);
    EXPECT_EQ(doc.find(""), nullptr);
    EXPECT_EQ(capability_document().find("cpu.cores"), nullptr);
}

TEST(facts, a_fact_written_under_the_alias_lands_under_the_real_key) {
    capability_document doc({make_fact("os.arch", "aarch64")});
    ASSERT_NE(doc.find("host.arch"), nullptr);
    EXPECT_EQ(doc.facts().front().key, "host.arch");
}

TEST(facts, the_later_fact_wins_unless_it_is_less_sure) {
    auto sure = make_fact("cpu.cores", 4);
    auto unsure = make_fact("cpu.cores", 8);
    unsure.confidence = 50;
    EXPECT_EQ(capability_document({sure, unsure}).find("cpu.cores")->value, json::value(4));
    EXPECT_EQ(capability_document({unsure, sure}).find("cpu.cores")->value, json::value(4));
    EXPECT_EQ(capability_document({sure, make_fact("cpu.cores", 6)}).find("cpu.cores")->value, json::value(6));
    auto gone = make_fact("cpu.cores", nullptr);
    gone.status = fact_status::absent;
    EXPECT_EQ(capability_document({sure, gone}).find("cpu.cores")->status, fact_status::absent);
}

TEST(facts, hashes_cover_static_and_boot_facts_only) {
    auto id = make_fact("host.id", "abc");
    id.unique = true;
    auto load = make_fact("memory.available_bytes", 1);
    load.volatility = fact_volatility::fast;
    capability_document base({make_fact("cpu.cores", 2), id, load});
    EXPECT_EQ(base.inventory_hash().size(), 32u);
    EXPECT_NE(base.inventory_hash(), base.class_hash());

    auto other_load = load;
    other_load.value = 2;
    EXPECT_EQ(capability_document({make_fact("cpu.cores", 2), id, other_load}).inventory_hash(), base.inventory_hash());

    auto other_id = id;
    other_id.value = "def";
    capability_document twin({make_fact("cpu.cores", 2), other_id, load});
    EXPECT_NE(twin.inventory_hash(), base.inventory_hash());
    EXPECT_EQ(twin.class_hash(), base.class_hash());

    EXPECT_NE(capability_document({make_fact("cpu.cores", 3), id, load}).class_hash(), base.class_hash());
    auto denied = make_fact("cpu.cores", nullptr);
    denied.status = fact_status::denied;
    auto absent = denied;
    absent.status = fact_status::absent;
    EXPECT_NE(capability_document({denied}).class_hash(), capability_document({absent}).class_hash());
}

TEST(facts, hashes_do_not_depend_on_the_order_of_facts_or_members) {
    auto a = make_fact("numa.nodes", json::parse(R"([{"id":0,"memory_bytes":5}])"));
    auto b = make_fact("numa.nodes", json::parse(R"([{"memory_bytes":5,"id":0}])"));
    capability_document one({a, make_fact("cpu.cores", 2)});
    capability_document two({make_fact("cpu.cores", 2), b});
    EXPECT_EQ(one.inventory_hash(), two.inventory_hash());
}

TEST(facts, json_round_trip_keeps_every_member) {
    fact f = make_fact("cpu.quota_cores", 1.5);
    f.volatility = fact_volatility::slow;
    f.unique = true;
    f.confidence = 80;
    f.ttl_s = 30;
    f.observed_ns = 1'767'225'600'123'000'000;
    f.detail = "parent \"limit\"";
    auto back = fact_from_json(to_json(f));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->key, f.key);
    EXPECT_EQ(back->value, f.value);
    EXPECT_EQ(back->status, f.status);
    EXPECT_EQ(back->volatility, f.volatility);
    EXPECT_EQ(back->unique, f.unique);
    EXPECT_EQ(back->confidence, f.confidence);
    EXPECT_EQ(back->ttl_s, f.ttl_s);
    EXPECT_EQ(back->observed_ns, f.observed_ns);
    EXPECT_EQ(back->method, f.method);
    EXPECT_EQ(back->source, f.source);
    EXPECT_EQ(back->detail, f.detail);
}

TEST(facts, a_document_survives_text_and_keeps_its_hashes) {
    auto absent = make_fact("memory.type", nullptr);
    absent.status = fact_status::absent;
    capability_document doc({make_fact("cpu.features", json::parse(R"(["avx2","sse2"])")),
                             make_fact("cpu.base_hz", 18446744073709551615ull), make_fact("cpu.effective_cores", 2.0),
                             absent});
    auto back = capability_document::from_json(json::parse(json::serialize(doc.to_json())).as_array());
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ((*back)->inventory_hash(), doc.inventory_hash());
    EXPECT_EQ((*back)->class_hash(), doc.class_hash());
    EXPECT_FALSE(to_json(*doc.find("memory.type")).contains("value"));
}

TEST(facts, each_status_and_volatility_has_its_word) {
    for (std::string_view word : {"absent", "denied", "unsupported", "timeout", "error"}) {
        auto f = fact_from_json(json::object{{"key", "cpu.model"}, {"status", word}});
        ASSERT_TRUE(f) << word;
        EXPECT_EQ(to_string(f->status), word);
        EXPECT_TRUE(f->value.is_null());
    }
    for (std::string_view word : {"ok", "stale"}) {
        EXPECT_TRUE(fact_from_json(json::object{{"key", "cpu.model"}, {"status", word}, {"value", 1}})) << word;
        EXPECT_FALSE(fact_from_json(json::object{{"key", "cpu.model"}, {"status", word}})) << word;
    }
    auto fixed = fact_from_json(json::object{{"key", "cpu.model"}, {"value", 1}, {"volatility", "static"}});
    ASSERT_TRUE(fixed);
    EXPECT_EQ(fixed->volatility, fact_volatility::fixed);
}

struct refused {
    const char* text;
    const char* field;
};
std::ostream& operator<<(std::ostream& out, const refused& r) { return out << r.text; }
class facts_refused : public testing::TestWithParam<refused> {};
TEST_P(facts_refused, wrong_members_are_named) {
    auto doc = capability_document::from_json(array_of(GetParam().text));
    ASSERT_FALSE(doc) << GetParam().text;
    EXPECT_EQ(doc.error().field, GetParam().field);
    EXPECT_FALSE(doc.error().expected.empty());
    EXPECT_FALSE(doc.error().found.empty());
}
INSTANTIATE_TEST_SUITE_P(
    inputs, facts_refused,
    testing::Values(refused{"[7]", "facts[0]"}, refused{"[{}]", "facts[0].key"},
                    refused{R"([{"key":"Cpu.cores","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"cpu..cores","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"cpu.cores.","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"gpu[].model","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"gpu[0]model","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"gpu[0","value":1}])", "facts[0].key"},
                    refused{R"([{"key":"a.b","value":1},{"key":"cpu.cores"}])", "facts[1].value"},
                    refused{R"([{"key":"cpu.cores","value":null}])", "facts[0].value"},
                    refused{R"([{"key":"cpu.cores","value":[null]}])", "facts[0].value"},
                    refused{R"([{"key":"cpu.cores","value":[[[[[1]]]]]}])", "facts[0].value"},
                    refused{R"([{"key":"cpu.cores","value":1,"status":"denied"}])", "facts[0].value"},
                    refused{R"([{"key":"cpu.cores","value":1,"status":"fine"}])", "facts[0].status"},
                    refused{R"([{"key":"cpu.cores","value":1,"status":3}])", "facts[0].status"},
                    refused{R"([{"key":"cpu.cores","value":1,"volatility":"never"}])", "facts[0].volatility"},
                    refused{R"([{"key":"cpu.cores","value":1,"method":"guessed"}])", "facts[0].method"},
                    refused{R"([{"key":"cpu.cores","value":1,"confidence":101}])", "facts[0].confidence"},
                    refused{R"([{"key":"cpu.cores","value":1,"confidence":-1}])", "facts[0].confidence"},
                    refused{R"([{"key":"cpu.cores","value":1,"ttl_s":4294967296}])", "facts[0].ttl_s"},
                    refused{R"([{"key":"cpu.cores","value":1,"unique":"yes"}])", "facts[0].unique"},
                    refused{R"([{"key":"cpu.cores","value":1,"observed_at":"today"}])", "facts[0].observed_at"},
                    refused{R"([{"key":"cpu.cores","value":1,"observed_at":"2026-02-30T10:00:00Z"}])",
                            "facts[0].observed_at"},
                    refused{R"([{"key":"cpu.cores","value":1,"source":9}])", "facts[0].source"}));

TEST(facts, indexed_and_custom_keys_are_allowed) {
    for (std::string_view key : {"gpu[0].memory_bytes", "proto[12].tier", "custom.Team-A.x", "custom.9"})
        EXPECT_TRUE(fact_from_json(json::object{{"key", key}, {"value", 1}})) << key;
}

TEST(facts, limits_of_value_text_and_count_hold) {
    json::object o{{"key", "cpu.model"}, {"value", std::string(65534, 'a')}};  // plus two quotes: 64 KiB
    EXPECT_TRUE(fact_from_json(o));
    o["value"] = std::string(65535, 'a');
    auto f = fact_from_json(o);
    ASSERT_FALSE(f);
    EXPECT_EQ(f.error().code, errc::too_large);
    EXPECT_FALSE(fact_from_json(json::object{{"key", "a." + std::string(255, 'b')}, {"value", 1}}));
    EXPECT_FALSE(fact_from_json(json::object{{"key", "a.b"}, {"value", 1}, {"detail", std::string(1025, 'b')}}));

    json::array many;
    for (int i = 0; i < 4096; ++i) many.push_back(json::object{{"key", "custom." + std::to_string(i)}, {"value", i}});
    auto doc = capability_document::from_json(many);
    ASSERT_TRUE(doc);
    EXPECT_EQ((*doc)->facts().size(), 4096u);
    many.push_back(many.front());
    auto refused_doc = capability_document::from_json(many);
    ASSERT_FALSE(refused_doc);
    EXPECT_EQ(refused_doc.error().code, errc::too_large);
}

}  // namespace
}  // namespace sigrun
