#include "kernel/capability/fact_sheet.hpp"

#include "kernel/capability/fact_block.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace sigrun {
namespace {

constexpr std::int64_t k_second = 1'000'000'000;

fact of(std::string key, json::value value, fact_volatility volatility = fact_volatility::boot, bool unique = false) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.volatility = volatility;
    f.unique = unique;
    f.method = "read";
    f.source = "/proc/" + f.key;
    f.observed_ns = 1000 * k_second;
    return f;
}
fact without(std::string key, fact_status status) {
    fact f = of(std::move(key), nullptr);
    f.status = status;
    f.detail = "because";
    return f;
}

/// A machine of a class that has 2^n cores.
std::vector<fact> machine(const std::string& name, int cores = 4) {
    auto free = of("memory.available_bytes", 1'000'000, fact_volatility::fast);
    free.ttl_s = 5;
    return {of("host.arch", "x86_64"),
            of("host.id", json::value(name), fact_volatility::fixed, true),
            of("cpu.cores", cores),
            of("cpu.features", json::array{"avx2", "fma"}),
            of("net.dns", json::array{"10.0.0.53"}, fact_volatility::slow),
            free,
            without("gpu", fact_status::absent),
            without("rdma.*", fact_status::timeout)};
}
sheet_ptr sheet(std::vector<fact> facts) { return fact_sheet::of(capability_document(std::move(facts))); }

void expect_same(const fact_sheet& s, const capability_document& wanted) {
    EXPECT_EQ(s.inventory_hash(), wanted.inventory_hash());
    EXPECT_EQ(s.class_hash(), wanted.class_hash());
    EXPECT_EQ(s.to_json(), wanted.to_json());
    ASSERT_EQ(s.size(), wanted.facts().size());
    for (std::size_t i = 0; i < s.size(); ++i) {
        const auto& f = wanted.facts()[i];
        const fact_view found = s.find(f.key);
        ASSERT_TRUE(found) << f.key;
        EXPECT_EQ(to_json(found.to_fact()), to_json(f));
        EXPECT_EQ(s.first_not_before(f.key), i);
    }
    EXPECT_EQ(capability_document(s.facts()).inventory_hash(), wanted.inventory_hash());
}

TEST(fact_sheet, says_what_the_document_says) {
    const capability_document doc(machine("a"));
    const auto s = fact_sheet::of(doc);
    expect_same(*s, doc);
    EXPECT_EQ(s->find("os.arch").value.text(), "x86_64") << "another name for host.arch";
    EXPECT_FALSE(s->find("no.such.key"));
    EXPECT_EQ(s->first_not_before("zzz"), s->size());
    EXPECT_EQ(s->first_not_before(""), 0u);
    const capability_document nothing{std::vector<fact>{}};
    expect_same(*fact_sheet::of(nothing), nothing);
}

TEST(fact_sheet, machines_of_a_class_share_what_they_have_in_common) {
    const auto before = stored_facts();
    const auto a = sheet(machine("a")), b = sheet(machine("b")), c = sheet(machine("c", 8));
    EXPECT_EQ(&a->block(), &b->block());
    EXPECT_NE(&a->block(), &c->block());
    EXPECT_EQ(stored_facts().blocks, before.blocks + 2);
    EXPECT_EQ(stored_facts().kinds, before.kinds + 8) << "the words beside the values are there once";
    EXPECT_EQ(b->find("host.id").value.text(), "b");
    EXPECT_EQ(a->find("host.id").value.text(), "a");
    EXPECT_LE(b->own_bytes(), 200u);
}

TEST(fact_sheet, what_nobody_uses_any_more_is_gone) {
    const auto before = stored_facts();
    {
        std::vector<sheet_ptr> many;
        for (int i = 0; i < 100; ++i) many.push_back(sheet(machine(std::to_string(i), i)));
        EXPECT_EQ(stored_facts().blocks, before.blocks + 100);
    }
    EXPECT_EQ(stored_facts().blocks, before.blocks);
    EXPECT_EQ(stored_facts().kinds, before.kinds);
    EXPECT_EQ(stored_facts().records, before.records);
}

TEST(fact_sheet, a_machine_keeps_what_is_different_in_its_class) {
    const auto first = sheet(machine("a"));
    auto facts = machine("b");
    facts[4].value = json::array{"10.0.0.54"};  // a slow fact
    facts[2].source = "elsewhere";              // words beside a value of the class
    facts[3].status = fact_status::stale;       // the same for class_hash
    facts[7].detail = "other words";
    const capability_document doc(facts);
    const auto second = fact_sheet::of(doc);
    EXPECT_EQ(&second->block(), &first->block());
    expect_same(*second, doc);
    expect_same(*first, capability_document(machine("a")));
}

TEST(fact_sheet, times_are_exact_but_for_a_minute_of_what_all_have_in_common) {
    auto facts = machine("a");
    facts[2].observed_ns += 59 * k_second;
    facts[3].observed_ns += 61 * k_second;
    facts[4].observed_ns -= 3600 * k_second;
    facts[5].observed_ns += 7;
    facts[1].observed_ns += 8;
    const auto s = sheet(facts);
    EXPECT_EQ(s->find("host.arch").observed_ns, 1000 * k_second);
    EXPECT_EQ(s->find("cpu.cores").observed_ns, 1000 * k_second)
        << "within the minute: its begin, never later than true";
    EXPECT_EQ(s->find("cpu.features").observed_ns, 1061 * k_second);
    EXPECT_EQ(s->find("net.dns").observed_ns, -2600 * k_second);
    EXPECT_EQ(s->find("memory.available_bytes").observed_ns, 1000 * k_second + 7)
        << "its age decides whether it may be used";
    EXPECT_EQ(s->find("host.id").observed_ns, 1000 * k_second + 8);
}

TEST(fact_sheet, values_that_no_hash_covers_are_exchanged_in_place) {
    const auto s = sheet(machine("a"));
    auto free = of("memory.available_bytes", 5, fact_volatility::fast);
    auto dns = of("net.dns", json::array{"10.0.0.99"}, fact_volatility::slow);
    free.observed_ns = dns.observed_ns = 2000 * k_second;
    free.ttl_s = 5;
    const auto next = s->with(std::vector{dns, free});
    ASSERT_TRUE(next);
    auto facts = machine("a");
    facts[4] = dns;
    facts[5] = free;
    expect_same(*next, capability_document(facts));
    EXPECT_EQ(&next->block(), &s->block());
    const auto back = next->with(std::vector{machine("a")[4], machine("a")[5]});
    expect_same(*back, capability_document(machine("a")));
    EXPECT_EQ(back->own_bytes(), s->own_bytes()) << "what is common again is not kept";
    expect_same(*s->with({}), capability_document(machine("a")));
    // A probe that fails now.
    auto failed = without("net.dns", fact_status::error);
    failed.volatility = fact_volatility::slow;
    EXPECT_EQ(s->with(std::vector{failed})->find("net.dns").kind->status(), fact_status::error);
}

TEST(fact_sheet, what_a_hash_covers_or_was_not_there_takes_a_new_sheet) {
    const auto s = sheet(machine("a"));
    EXPECT_FALSE(s->with(std::vector{of("cpu.cores", 5)}));
    EXPECT_FALSE(s->with(std::vector{of("host.id", "b", fact_volatility::fixed, true)}));
    EXPECT_FALSE(s->with(std::vector{of("new.key", 5, fact_volatility::slow)}));
    EXPECT_FALSE(s->with(std::vector{of("cpu.cores", 5, fact_volatility::slow)})) << "it was a boot fact";
    EXPECT_FALSE(s->with(std::vector{of("net.dns", 5, fact_volatility::slow, true)}));
}

TEST(fact_sheet, machines_that_no_shared_fact_tells_apart_are_of_one_cohort) {
    const auto a = sheet(machine("a")), b = sheet(machine("b"));
    EXPECT_EQ(a->cohort(), b->cohort());
    auto more = machine("c");
    more.push_back(of("custom.rack", "r1", fact_volatility::slow));
    EXPECT_NE(sheet(more)->cohort(), a->cohort()) << "every machine of a cohort has the same keys";
    auto failing = machine("d");
    failing.push_back(without("numa.*", fact_status::error));
    EXPECT_EQ(sheet(failing)->cohort(), a->cohort()) << "no requirement sees that a probe fails";
}

TEST(fact_sheet, threads_may_make_and_drop_equal_sheets) {
    const auto before = stored_facts();
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([] {
                for (int i = 0; i < 300; ++i) {
                    const auto s = sheet(machine("m", i % 5));
                    auto free = of("memory.available_bytes", i, fact_volatility::fast);
                    free.source = "other " + std::to_string(i % 3);
                    EXPECT_EQ(s->with(std::vector{free})->find("memory.available_bytes").value.integer(), i);
                }
            });
    }
    EXPECT_EQ(stored_facts().blocks, before.blocks);
    EXPECT_EQ(stored_facts().kinds, before.kinds);
}

}  // namespace
}  // namespace sigrun
