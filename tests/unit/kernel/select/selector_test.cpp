#include "kernel/base/clock.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

pick_request request(const predicate_ptr& p) {
    pick_request r;
    r.pred = p.get();
    return r;
}
std::unique_ptr<selector> plain(std::uint32_t max = 10'000) {
    return make_selector({scripted::make("none", propose_nothing)}, max);
}
machine numbered(int cores) { return machine().set("cpu.cores", cores); }

TEST(selector, picks_claims_and_releases_one_place) {
    auto s = plain();
    const slot_ref slot = join(*s, profile(numbered(4)));
    const auto p = s->intern(compiled("cpu.cores >= 4"));
    const auto got = s->pick(request(p));
    ASSERT_EQ(got.outcome, pick_outcome::picked);
    EXPECT_EQ(got.slot, slot);
    EXPECT_EQ(got.explain.slot, slot.slot);
    EXPECT_EQ(got.explain.reason, SIGRUN_WHY_BUILTIN_FALLBACK);
    EXPECT_EQ(s->in_flight(slot), 1u);
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued);
    EXPECT_TRUE(s->release(got.slot));   // full -> free: somebody may wait for it
    EXPECT_FALSE(s->release(got.slot));  // once is enough
    EXPECT_EQ(s->in_flight(slot), 0u);
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::picked);
    EXPECT_EQ(s->index_faults(), 0u);
}

TEST(selector, tells_queued_from_unschedulable) {
    auto s = plain();
    const auto p = s->intern(compiled("cpu.cores >= 4"));
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::unschedulable);  // no runner at all
    const slot_ref small = join(*s, profile(numbered(2)));
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::unschedulable);
    const slot_ref big = s->add(profile(numbered(8))).value();
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued);  // matches, but is closed
    s->set_open(big, true);
    EXPECT_EQ(s->pick(request(p)).slot, big);
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued);  // full
    s->remove(big);
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::unschedulable);
    EXPECT_EQ(s->pick({}).outcome, pick_outcome::unschedulable);  // no predicate
    EXPECT_TRUE(s->matches(*s->intern(compiled("cpu.cores == 2")), small));
    EXPECT_FALSE(s->matches(*p, small));
    EXPECT_FALSE(s->matches(*p, big));
}

TEST(selector, excluded_slots_are_not_picked) {
    auto s = plain();
    const slot_ref a = join(*s, profile(numbered(4), 100)), b = join(*s, profile(numbered(4), 100));
    const auto p = s->intern(compiled(""));
    auto r = request(p);
    const std::uint32_t out[] = {a.slot, b.slot};
    r.excluded = out;
    r.n_excluded = 1;
    for (int i = 0; i < 50; ++i) EXPECT_EQ(s->pick(r).slot, b);
    r.n_excluded = 2;
    EXPECT_EQ(s->pick(r).outcome, pick_outcome::unschedulable);
    // The runner moves to another slot while a claim holds the old one: the exclusion still means it.
    s->claim_existing(a);
    const slot_ref moved = s->update(a, profile(numbered(5), 100)).value();
    ASSERT_NE(moved, a);
    EXPECT_EQ(s->pick(r).outcome, pick_outcome::unschedulable);
}

TEST(selector, protocols_of_request_and_runner_must_meet) {
    auto s = plain();
    const slot_ref grpc = join(*s, profile(numbered(1), 99, 0b0010)), http = join(*s, profile(numbered(1), 99, 0b0100));
    const auto p = s->intern(compiled(""));
    auto r = request(p);
    r.protocols = 0b0110;
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 12; ++i) seen.insert(s->pick(r).slot.slot);
    EXPECT_EQ(seen.size(), 2u);
    r.protocols = 0b0010;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(s->pick(r).slot, grpc);
    r.protocols = 0b0001;
    EXPECT_EQ(s->pick(r).outcome, pick_outcome::unschedulable);
    // A runner that lost all its links waits for one to come back.
    const slot_ref lost = s->update(http, profile(numbered(1), 99, 0)).value();
    EXPECT_EQ(s->pick(r).outcome, pick_outcome::queued);
    r.protocols = 0xffff;
    for (int i = 0; i < 3; ++i) {
        const auto got = s->pick(r);
        EXPECT_TRUE(got.outcome != pick_outcome::picked || got.slot == grpc);
        EXPECT_FALSE(got.slot == lost);
    }
}

TEST(selector, limits_and_wrong_values_are_refused_by_name) {
    auto s = plain(2);
    join(*s, profile(numbered(1)));
    const slot_ref second = join(*s, profile(numbered(2)));
    auto third = s->add(profile(numbered(3)));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, errc::busy);
    EXPECT_EQ(third.error().field, "max_runners");
    s->remove(second);
    EXPECT_TRUE(s->add(profile(numbered(3))));
    EXPECT_EQ(s->runners(), 2u);
    EXPECT_EQ(s->add(profile(numbered(1), 0)).error().field, "slots");
    EXPECT_EQ(s->add(profile(numbered(1), 1, 1, 0)).error().field, "weight");
    EXPECT_EQ(s->update(second, profile(numbered(1))).error().code, errc::not_found);
    s->remove(second);  // no effect
    s->set_open(second, true);
    EXPECT_EQ(s->runners(), 2u);
}

TEST(selector, an_unknown_default_lists_the_known_balancers) {
    selector::options o;
    o.default_balancer = "fastest";
    auto none = selector::create(o, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().text(), "default_algorithm: expected a balancer plugin to be loaded, found \"fastest\"");
    auto two = selector::create(o, {scripted::make("a", propose_nothing), scripted::make("b", propose_nothing)});
    EXPECT_EQ(two.error().text(), "default_algorithm: expected one of a, b, found \"fastest\"");
    o.default_balancer = "b";
    auto s = selector::create(o, {scripted::make("a", propose_nothing), scripted::make("b", propose_nothing)}).value();
    EXPECT_EQ(s->balancer_id("a"), 1);
    EXPECT_EQ(s->balancer_id("zzz"), 0);
    EXPECT_EQ(s->balancer_name(0), "b");
    EXPECT_EQ(s->balancer_name(1), "a");
    EXPECT_EQ(s->balancer_names(), (std::vector<std::string>{"a", "b"}));
    o.max_runners = 0;
    EXPECT_EQ(selector::create(o, {}).error().field, "max_runners");
}

TEST(selector, claims_follow_a_runner_that_moves) {
    auto s = plain();
    const slot_ref first = join(*s, profile(numbered(4), 4));
    const auto any = s->intern(compiled(""));
    const slot_ref a = s->pick(request(any)).slot, b = s->pick(request(any)).slot;
    ASSERT_EQ(a, first);
    const slot_ref second = s->update(first, profile(numbered(8), 2)).value();
    ASSERT_NE(second, first);
    EXPECT_EQ(s->in_flight(second), 2u);
    EXPECT_EQ(s->in_flight(first), 2u);                              // the old name still leads to it
    EXPECT_EQ(s->pick(request(any)).outcome, pick_outcome::queued);  // two of two places
    const slot_ref third = s->update(first, profile(numbered(16), 3)).value();
    EXPECT_EQ(s->in_flight(third), 2u);
    EXPECT_TRUE(s->pick(request(any)).slot == third);
    EXPECT_TRUE(s->release(a));
    EXPECT_FALSE(s->release(b));
    EXPECT_EQ(s->in_flight(third), 1u);
    EXPECT_FALSE(s->release(first));  // all claims of the old slot are given back
    EXPECT_EQ(s->in_flight(third), 1u);
    EXPECT_FALSE(s->release(third));
    EXPECT_EQ(s->in_flight(third), 0u);
    EXPECT_EQ(s->runners(), 1u);
    EXPECT_EQ(s->index_faults(), 0u);
}

TEST(selector, equal_facts_keep_the_slot) {
    auto s = plain();
    machine m = numbered(4);
    m.set("memory.available_bytes", 100, {.volatility = fact_volatility::fast});
    const slot_ref slot = join(*s, profile(m));
    const auto p = s->intern(compiled("memory.available_bytes >= 200"));
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::unschedulable);
    m.set("memory.available_bytes", 300, {.volatility = fact_volatility::fast});
    EXPECT_EQ(s->update(slot, profile(m)).value(), slot);
    EXPECT_EQ(s->pick(request(p)).slot, slot);
}

TEST(selector, a_stale_reference_touches_nothing) {
    auto s = plain();
    const slot_ref old = join(*s, profile(numbered(4)));
    const auto p = s->intern(compiled(""));
    ASSERT_EQ(s->pick(request(p)).slot, old);
    s->remove(old);
    EXPECT_FALSE(s->release(old));
    // Reuse every slot of the page, so that the old one is among them.
    std::vector<slot_ref> fresh;
    for (int i = 0; i < 64; ++i) fresh.push_back(join(*s, profile(numbered(4))));
    for (int i = 0; i < 64; ++i) ASSERT_EQ(s->pick(request(p)).outcome, pick_outcome::picked);
    EXPECT_FALSE(s->release(old));
    s->claim_existing(old);
    EXPECT_EQ(s->in_flight(old), 0u);
    for (const slot_ref& f : fresh) EXPECT_EQ(s->in_flight(f), 1u);
    EXPECT_FALSE(s->release({~0u, 0}));
    EXPECT_FALSE(s->release({1u << 30, 0}));
    EXPECT_EQ(s->in_flight({}), 0u);
}

TEST(selector, existing_claims_may_exceed_the_places) {
    auto s = plain();
    const slot_ref slot = join(*s, profile(numbered(4), 2));
    for (int i = 0; i < 5; ++i) s->claim_existing(slot);
    EXPECT_EQ(s->in_flight(slot), 5u);
    const auto p = s->intern(compiled(""));
    for (bool freed : {false, false, false, true}) {
        EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued);
        EXPECT_EQ(s->release(slot), freed);
    }
    EXPECT_EQ(s->pick(request(p)).slot, slot);
    s->set_open(slot, false);
    EXPECT_EQ(s->in_flight(slot), 2u);  // closed keeps its claims
    EXPECT_EQ(s->index_faults(), 0u);
}

TEST(selector, unique_facts_and_open_labels_are_matched_runner_by_runner) {
    auto s = plain();
    std::vector<slot_ref> slots;
    for (int i = 0; i < 300; ++i) {
        machine m = numbered(4);
        m.set("host.id", json::string("id" + std::to_string(i)), {.unique = true})
            .label("name", "n" + std::to_string(i));
        m.label("zone", i % 2 ? "eu" : "us");
        slots.push_back(join(*s, profile(m)));
    }
    for (int i : {0, 1, 63, 64, 65, 170, 299}) {
        const std::string n = std::to_string(i);
        for (const std::string& text : {"host.id == \"id" + n + "\"", "label.name == \"n" + n + "\"",
                                        "cpu.cores == 4 && label.name in [\"n" + n + "\"]"}) {
            const auto p = s->intern(compiled(text));
            const auto got = s->pick(request(p));
            ASSERT_EQ(got.outcome, pick_outcome::picked) << text;
            EXPECT_EQ(got.slot, slots[static_cast<std::size_t>(i)]) << text;
            s->release(got.slot);
        }
    }
    EXPECT_EQ(s->pick(request(s->intern(compiled("host.id == \"id300\"")))).outcome, pick_outcome::unschedulable);
    // A label with many values does not take a page per runner: 64 cohorts before it was noticed, few after.
    std::set<std::uint32_t> pages;
    for (const slot_ref& r : slots) pages.insert(r.slot / 64);
    EXPECT_LT(pages.size(), 80u);
}

TEST(selector, a_fast_fact_that_ages_stops_matching) {
    auto s = plain();
    machine m;
    const std::int64_t now = clock::system().wall_ns();
    m.set("load", 1, {.volatility = fact_volatility::fast, .ttl_s = 10, .observed_ns = now - 9'800'000'000});
    const slot_ref slot = join(*s, profile(m, 100));
    const auto p = s->intern(compiled("load == 1"));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    pick_outcome last = pick_outcome::picked;
    bool matched = false;
    while (last == pick_outcome::picked && std::chrono::steady_clock::now() < end) {
        const auto got = s->pick(request(p));
        last = got.outcome;
        matched |= last == pick_outcome::picked;
        if (last == pick_outcome::picked) s->release(got.slot);
        std::this_thread::yield();
    }
    EXPECT_TRUE(matched);
    EXPECT_EQ(last, pick_outcome::unschedulable);
    m.set("load", 1, {.volatility = fact_volatility::fast, .ttl_s = 10, .observed_ns = clock::system().wall_ns()});
    s->update(slot, profile(m, 100)).value();
    EXPECT_EQ(s->pick(request(p)).slot, slot);
}

TEST(selector, equal_requirements_share_a_predicate) {
    auto s = plain();
    const auto a = s->intern(compiled("a == 1 && b == 2")), b = s->intern(compiled("(a==1) && b==2"));
    EXPECT_EQ(a, b);
    EXPECT_NE(a, s->intern(compiled("a == 1")));
}

TEST(selector, predicates_nobody_holds_are_dropped_from_a_bounded_cache) {
    auto s = plain();
    const auto held = s->intern(compiled("x == 1"));
    std::weak_ptr<predicate> dropped = s->intern(compiled("x == 2"));
    ASSERT_FALSE(dropped.expired());  // the cache holds it
    for (int i = 0; i < 4096; ++i) s->intern(compiled("y == " + std::to_string(i)));
    EXPECT_TRUE(dropped.expired());
    EXPECT_EQ(s->intern(compiled("x == 1")), held);
    // A held predicate that the cache forgot learns of new runners all the same.
    for (int i = 0; i < 4096; ++i) s->intern(compiled("z == " + std::to_string(i)));
    const slot_ref slot = join(*s, profile(machine().set("x", 1)));
    EXPECT_EQ(s->pick(request(held)).slot, slot);
}

TEST(selector, explain_counts_terms_and_names_the_nearest_key) {
    auto s = plain();
    for (int cores : {2, 4, 8}) {
        machine m;
        m.set("cpu.cores", cores).set("memory.total_bytes", 100);
        if (cores == 8) m.status("secret", fact_status::denied);
        join(*s, profile(m));
    }
    s->add(profile(machine().set("cpu.cores", 16).set("memory.total_bytes", 1))).value();
    const auto p = s->intern(compiled("cpu.cores >= 4"));
    s->pick(request(p));
    const auto e = s->explain(*compiled("cpu.cores >= 4 && memory.total_byte > 5"));
    EXPECT_EQ(e.runners, 4u);
    EXPECT_EQ(e.open, 3u);
    EXPECT_EQ(e.matching, 0u);
    EXPECT_EQ(e.unknown, 3u);
    ASSERT_EQ(e.terms.size(), 2u);
    EXPECT_EQ(e.terms[0].text, "cpu.cores >= 4");
    EXPECT_EQ(e.terms[0].no, 1u);
    EXPECT_EQ(e.terms[0].unknown, 0u);
    EXPECT_EQ(e.terms[0].nearest_key, "");
    EXPECT_EQ(e.terms[1].unknown, 4u);
    EXPECT_EQ(e.terms[1].column, 19u);
    EXPECT_EQ(e.terms[1].nearest_key, "memory.total_bytes");
    const auto busy = s->explain(*compiled("cpu.cores >= 4"));
    EXPECT_EQ(busy.matching, 3u);
    EXPECT_EQ(busy.busy, 1u);
    EXPECT_EQ(s->explain(*compiled("secret == 1")).terms[0].nearest_key, "");
}

TEST(selector, a_misbehaving_balancer_is_unfair_but_never_wrong) {
    std::mt19937_64 random(5);
    auto chaos = [&random](const sigrun_view& view, const sigrun_req&, const std::uint64_t*, sigrun_pick& out) {
        out.n = static_cast<std::uint8_t>(random());
        for (auto& slot : out.slot)
            slot = random() % 3 ? static_cast<std::uint32_t>(random() % (view.n_slots + 5))
                                : static_cast<std::uint32_t>(random());
        out.reason = static_cast<std::uint8_t>(random());
        out.tier = 200;
    };
    auto s = make_selector({scripted::make("chaos", chaos)});
    std::map<std::uint32_t, int> cores;
    for (int i = 0; i < 200; ++i) {
        const slot_ref slot = join(*s, profile(numbered(i % 20), 3));
        cores[slot.slot] = i % 20;
        if (i % 7 == 0) s->set_open(slot, false), cores[slot.slot] = -1;
    }
    const auto p = s->intern(compiled("cpu.cores >= 15"));
    int places = 0;
    for (const auto& [slot, n] : cores) places += n >= 15 ? 3 : 0;
    for (int i = 0; i < places; ++i) {
        const auto got = s->pick(request(p));
        ASSERT_EQ(got.outcome, pick_outcome::picked) << i;
        ASSERT_GE(cores[got.slot.slot], 15);
    }
    EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued);
    EXPECT_EQ(s->index_faults(), 0u);
}

TEST(selector, every_thread_has_a_state_of_its_own_and_gives_it_back) {
    auto counts = std::make_shared<scripted::counters>();
    {
        auto s = make_selector({scripted::make("one", propose_nothing, counts)});
        const slot_ref slot = join(*s, profile(numbered(1), 64));
        const auto p = s->intern(compiled(""));
        EXPECT_GE(counts->snapshots.load(), 1);
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (int n = 0; n < 3; ++n) s->release(s->pick(request(p)).slot);
                s->feedback({.slot = slot, .pred = p.get()}, 1);
            });
        for (auto& t : threads) t.join();
        EXPECT_EQ(counts->threads_seen.load(), 4);
        EXPECT_EQ(counts->threads_open.load(), 0);
        EXPECT_EQ(counts->feedback.load(), 4);
        s->pick(request(p));
        EXPECT_EQ(counts->threads_open.load(), 1);
    }
    EXPECT_EQ(counts->threads_open.load(), 0);
    // A thread that outlives a selector goes on with the next one.
    auto s = make_selector({scripted::make("two", propose_nothing)});
    join(*s, profile(numbered(1)));
    EXPECT_EQ(s->pick(request(s->intern(compiled("")))).outcome, pick_outcome::picked);
}

}  // namespace
