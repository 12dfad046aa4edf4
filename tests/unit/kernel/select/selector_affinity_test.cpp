// Keys through the whole path: selector, plugin file, claim.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

using namespace sigrun;
using namespace sigrun::test;

runner_profile with_identity(std::uint64_t identity, const char* kind = "a") {
    runner_profile p = profile(machine().set("kind", kind), 4);
    p.identity = identity;
    return p;
}
pick_result pick(selector& s, const predicate_ptr& p, std::uint64_t key) {
    pick_request q;
    q.pred = p.get();
    q.affinity_key = key;
    return s.pick(q);
}

TEST(selector_affinity, a_key_stays_with_its_runner_over_moves_and_restarts) {
    std::map<std::uint64_t, std::uint64_t> owner;  // by key
    for (int life = 0; life < 2; ++life) {
        auto s = make_selector({real_balancer("affinity")});
        std::map<std::uint32_t, std::uint64_t> at;
        std::map<std::uint64_t, slot_ref> slots;
        for (std::uint64_t i = 1; i <= 150; ++i) {  // the second time in another order
            const std::uint64_t identity = life ? 151 - i : i;
            slots[identity] = join(*s, with_identity(identity));
            at[slots[identity].slot] = identity;
        }
        const auto p = s->intern(compiled(""));
        auto check = [&] {
            for (std::uint64_t key = 1; key <= 500; ++key) {
                const pick_result got = pick(*s, p, key);
                ASSERT_EQ(got.outcome, pick_outcome::picked);
                EXPECT_EQ(got.explain.reason, SIGRUN_WHY_AFFINITY);
                const auto known = owner.emplace(key, at.at(got.slot.slot));
                EXPECT_EQ(known.first->second, at.at(got.slot.slot)) << key;
                s->release(got.slot);
            }
        };
        check();
        // Other facts: these runners get other slots, and stay who they are.
        for (std::uint64_t identity = 5; identity < 90; identity += 7) {
            at.erase(slots[identity].slot);
            slots[identity] = s->update(slots[identity], with_identity(identity, "b")).value();
            at[slots[identity].slot] = identity;
        }
        check();
    }
    std::set<std::uint64_t> used;
    for (const auto& [key, who] : owner) used.insert(who);
    EXPECT_GT(used.size(), 130u);
}

TEST(selector_affinity, a_retry_goes_to_the_next_in_rank_and_a_full_runner_too) {
    auto s = make_selector({real_balancer("affinity", {{"bound", "4"}})});
    for (std::uint64_t i = 1; i <= 20; ++i) join(*s, with_identity(i));
    const auto p = s->intern(compiled(""));
    const pick_result first = pick(*s, p, 77);
    s->release(first.slot);
    pick_request retry;
    retry.pred = p.get();
    retry.affinity_key = 77;
    retry.excluded = &first.slot.slot;
    retry.n_excluded = 1;
    const pick_result second = s->pick(retry);
    EXPECT_NE(second.slot.slot, first.slot.slot);
    EXPECT_EQ(second.explain.reason, SIGRUN_WHY_RETRY_ALTERNATE);
    s->release(second.slot);
    for (int i = 0; i < 4; ++i) s->claim_existing(first.slot);
    const pick_result spilled = pick(*s, p, 77);
    EXPECT_EQ(spilled.slot, second.slot);
    EXPECT_EQ(spilled.explain.reason, SIGRUN_WHY_AFFINITY_SPILL);
    EXPECT_TRUE(s->release(first.slot));
    s->release(first.slot);
    s->release(first.slot);
    s->release(first.slot);
    EXPECT_EQ(pick(*s, p, 77).slot, first.slot);
}

}  // namespace
