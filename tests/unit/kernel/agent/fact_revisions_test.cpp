#include "kernel/agent/fact_revisions.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using change = fact_revisions::change;

fact of(std::string key, json::value value, fact_volatility volatility = fact_volatility::slow) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.volatility = volatility;
    return f;
}

/// A series of documents as an agent has them.
struct story {
    fact_revisions revisions;
    capability_document now;
    change next(std::vector<fact> facts) {
        capability_document after(std::move(facts));
        const auto what = revisions.note(now, after);
        now = std::move(after);
        return what;
    }
    json::object since(std::uint64_t base) const {
        json::object o;
        revisions.tell(o, now, base);
        return o;
    }
    std::string keys_since(std::uint64_t base) const {
        std::string out;
        const auto o = since(base);
        for (const auto& f : o.at("facts").as_array()) (out += f.at("key").as_string().c_str()) += ' ';
        if (const auto* gone = o.if_contains("facts_gone"))
            for (const auto& key : gone->as_array()) (out += '-') += std::string(key.as_string()) + " ";
        return out;
    }
};

TEST(fact_revisions, whoever_knows_a_state_is_told_what_has_changed_since) {
    story s;
    EXPECT_EQ(s.next({of("a", 1), of("b", 1), of("c", 1)}), change::major);
    const auto first = s.revisions.now();
    EXPECT_EQ(s.next({of("a", 2), of("b", 1), of("c", 1)}), change::major);
    const auto second = s.revisions.now();
    EXPECT_EQ(s.next({of("a", 2), of("b", 1), of("d", 1)}), change::major);
    EXPECT_EQ(s.keys_since(first), "a d -c ");
    EXPECT_EQ(s.keys_since(second), "d -c ");
    EXPECT_EQ(s.keys_since(s.revisions.now()), "");
    const auto o = s.since(second);
    EXPECT_EQ(o.at("facts_base"), second);
    EXPECT_EQ(o.at("facts_revision"), s.revisions.now());
    EXPECT_EQ(o.at("inventory_hash"), json::value(s.now.inventory_hash()));
}

TEST(fact_revisions, whoever_knows_nothing_or_a_state_that_never_was_is_told_everything) {
    story s;
    s.next({of("a", 1), of("b", 1)});
    for (std::uint64_t base : {std::uint64_t{0}, s.revisions.now() + 1, ~std::uint64_t{0}}) {
        EXPECT_EQ(s.keys_since(base), "a b ");
        EXPECT_FALSE(s.since(base).contains("facts_base"));
    }
}

TEST(fact_revisions, a_fact_that_comes_back_is_not_gone) {
    story s;
    s.next({of("a", 1)});
    const auto first = s.revisions.now();
    s.next({});
    EXPECT_EQ(s.keys_since(first), "-a ");
    s.next({of("a", 1)});
    EXPECT_EQ(s.keys_since(first), "a ");
}

TEST(fact_revisions, what_moves_all_the_time_is_a_minor_change) {
    story s;
    auto fast = of("memory.available_bytes", 1, fact_volatility::fast);
    auto slow = of("net.dns", "x");
    fast.observed_ns = slow.observed_ns = 1;
    s.next({fast, slow});
    const auto first = s.revisions.now();
    EXPECT_EQ(s.next({fast, slow}), change::none);
    EXPECT_EQ(s.revisions.now(), first);
    slow.observed_ns = 2;
    EXPECT_EQ(s.next({fast, slow}), change::none) << "it was looked at again and is the same";
    fast.observed_ns = 2;
    EXPECT_EQ(s.next({fast, slow}), change::minor) << "it is fresh again, which decides whether it may be used";
    fast.value = 2;
    EXPECT_EQ(s.next({fast, slow}), change::minor);
    slow.detail = "another word";
    EXPECT_EQ(s.next({fast, slow}), change::minor);
    EXPECT_EQ(s.keys_since(first), "memory.available_bytes net.dns ");
    fast.status = fact_status::error;
    fast.value = nullptr;
    EXPECT_EQ(s.next({fast, slow}), change::major) << "it cannot be read any more";
}

TEST(fact_revisions, what_is_remembered_of_the_gone_is_bounded) {
    story s;
    s.next({of("a", 1)});
    const auto first = s.revisions.now();
    for (int i = 0; i < 1100; ++i) s.next({of("a", 1), of("custom.k" + std::to_string(i), 1)});
    EXPECT_FALSE(s.since(first).contains("facts_base")) << "too long ago: all is told";
    EXPECT_TRUE(s.since(s.revisions.now() - 1).contains("facts_base"));
}

}  // namespace
}  // namespace sigrun
