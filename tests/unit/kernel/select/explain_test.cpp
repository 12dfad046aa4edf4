// What is said of a fleet about a requirement: counts, what hinders who matches, what would help, at any size.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace sigrun::test {
namespace {

std::unique_ptr<selector> index_of(const protection& protect = {.slow_start = nanoseconds(0)},
                                   std::uint32_t most = 10'000) {
    return make_selector({scripted::make("nobody", propose_nothing)}, most, protect);
}

slot_ref take(selector& s, const predicate_ptr& p) {
    pick_request q;
    q.pred = p.get();
    const auto got = s.pick(q);
    EXPECT_EQ(got.outcome, pick_outcome::picked);
    return got.slot;
}

TEST(explain, each_runner_that_matches_counts_once_at_what_hinders_it_first) {
    auto s = index_of();
    const auto with = [](const char* what) { return machine().label("is", what); };
    const auto full = join(*s, profile(with("full"), 2));
    join(*s, profile(with("free"), 3));
    const auto closed = s->add(profile(with("closed"))).value();
    const auto other = join(*s, profile(with("other"), 1, 0b10));
    s->claim_existing(full);
    s->claim_existing(full);
    s->claim_existing(other);  // on the wrong protocol first, full only then
    const auto e = s->explain(*compiled(""), {.protocols = 1});
    EXPECT_EQ(e.matching, 4u);
    EXPECT_EQ(e.closed + e.other_protocol + e.ejected + e.on_trial + e.full + e.kept + e.free, e.matching);
    EXPECT_EQ(e.closed, 1u);
    EXPECT_EQ(e.closed_at, closed);
    EXPECT_EQ(e.other_protocol, 1u);
    EXPECT_EQ(e.other_protocols, 0b10);
    EXPECT_EQ(e.full, 1u);
    EXPECT_EQ(e.full_at, full);
    EXPECT_EQ(e.free, 1u);
    EXPECT_EQ(e.places, 5u);
    EXPECT_EQ(e.in_flight, 2u);
    ASSERT_EQ(e.best.size(), 2u);  // who cannot be chosen at all is none of them
    EXPECT_EQ(e.best[0].places, 3u);
    EXPECT_EQ(e.best[1].slot, full);
    EXPECT_EQ(e.best[1].tier, -1);
}

TEST(explain, places_kept_for_urgent_jobs_are_free_for_those_alone) {
    auto s = index_of({.reserve_for_urgent = true, .slow_start = nanoseconds(0)});
    s->protect({.reserve_for_urgent = true, .slow_start = nanoseconds(0)});
    const auto slot = join(*s, profile(machine(), 5));
    for (int i = 0; i < 4; ++i) s->claim_existing(slot);
    const auto normal = s->explain(*compiled(""), {.priority = 2});
    EXPECT_EQ(normal.kept, 1u);
    EXPECT_EQ(normal.kept_places, 1u);
    EXPECT_EQ(normal.free, 0u);
    const auto high = s->explain(*compiled(""), {.priority = 1});
    EXPECT_EQ(high.kept, 0u);
    EXPECT_EQ(high.free, 1u);
}

TEST(explain, an_ejected_runner_says_why_and_until_when) {
    auto s = index_of({.slow_start = nanoseconds(0), .ejection_time = std::chrono::minutes(5), .panic_below = 0});
    const auto bad = join(*s, profile(machine().label("a", "b")));
    join(*s, profile(machine().label("a", "c")));
    const auto p = s->intern(compiled("label.a == \"b\""));
    for (int i = 0; i < 5; ++i) {
        const auto slot = take(*s, p);
        job_feedback f;
        f.slot = slot;
        f.pred = p.get();
        f.end.status = outcome_status::failed_by_infrastructure;
        s->feedback(f, 0);
        s->release(slot);
    }
    const auto e = s->explain(*compiled("label.a == \"b\""));
    EXPECT_EQ(e.ejected, 1u);
    EXPECT_EQ(e.free, 0u);
    ASSERT_EQ(e.absences.size(), 1u);
    EXPECT_EQ(e.absences[0].what.slot, bad);
    EXPECT_EQ(e.absences[0].what.why, ejection_cause::failures_in_a_row);
    EXPECT_GT(e.absences[0].left, std::chrono::minutes(4));
    EXPECT_LE(e.absences[0].left, std::chrono::minutes(5));
    EXPECT_TRUE(s->explain(*compiled("label.a == \"c\"")).absences.empty());
}

TEST(explain, the_term_that_alone_stands_in_the_way_is_known_with_the_nearest_value) {
    auto s = index_of();
    auto add = [&](int cores, const char* zone) {
        return join(*s, profile(machine().set("cpu.cores", cores).label("zone", zone)));
    };
    add(4, "x");
    const auto nearest = add(16, "x");
    add(28, "y");  // fails both
    add(64, "y");
    const auto e = s->explain(*compiled("cpu.cores >= 32 && label.zone == \"x\""));
    EXPECT_EQ(e.terms[0].alone, 2u);
    EXPECT_EQ(e.terms[0].alone_closest, "16");
    EXPECT_EQ(e.terms[0].alone_at, nearest);
    EXPECT_EQ(e.terms[0].closest, "28");
    EXPECT_EQ(e.terms[1].alone, 1u);
}

/// Runners are judged kind by kind; nobody can tell that from the answer.
TEST(explain, counts_equal_those_of_judging_each_runner_by_itself) {
    std::mt19937 random(7);
    for (int round = 0; round < 20; ++round) {
        auto s = index_of();
        std::vector<machine> all;
        for (int i = 0; i < 300; ++i) {
            machine m;
            m.set("cpu.cores", 1 << random() % 5);
            if (random() % 4)
                m.set("memory.available_bytes", static_cast<int>(random() % 100),
                      {.volatility = fact_volatility::fast});
            if (random() % 3 == 0) m.status("gpu.count", fact_status::denied);
            m.label("host", "h" + std::to_string(i)).label("zone", random() % 2 ? "x" : "y");
            join(*s, profile(m));
            all.push_back(m);
        }
        for (const char* text :
             {"cpu.cores >= 4", "cpu.cores >= 4 && label.zone == \"x\"",
              "memory.available_bytes > 50 && cpu.cores >= 2", "gpu.count >= 1 && label.host != \"h7\"",
              "label.host == \"h7\" && memory.available_bytes > 20 && label.zone == \"x\"",
              "cpu.cores >= 4 || memory.available_bytes > 50", ""}) {
            const auto r = compiled(text);
            const auto e = s->explain(*r);
            std::uint32_t matching = 0, unknown = 0;
            std::vector<std::uint32_t> no(r->terms().size()), maybe(no), alone(no);
            for (const machine& m : all) {
                const auto facts = m.facts();
                const auto labels = m.labels();
                const match_subject one{facts.get(), labels.get()};
                matching += r->matches(one) == truth::yes;
                unknown += r->matches(one) == truth::unknown;
                std::size_t failing = 0, last = 0;
                for (std::size_t i = 0; i < no.size(); ++i) {
                    const truth t = r->term_matches(i, one);
                    no[i] += t == truth::no;
                    maybe[i] += t == truth::unknown;
                    if (t != truth::yes) ++failing, last = i;
                }
                if (failing == 1) ++alone[last];
            }
            EXPECT_EQ(e.runners, 300u);
            EXPECT_EQ(e.matching, matching) << text;
            EXPECT_EQ(e.free, matching) << text;
            EXPECT_EQ(e.unknown, unknown) << text;
            for (std::size_t i = 0; i < no.size(); ++i) {
                EXPECT_EQ(e.terms[i].no, no[i]) << text;
                EXPECT_EQ(e.terms[i].unknown, maybe[i]) << text;
                EXPECT_EQ(e.terms[i].alone, alone[i]) << text;
                std::uint32_t causes = 0;
                for (const auto& c : e.terms[i].causes) causes += c.runners;
                EXPECT_EQ(causes, maybe[i]) << text;
            }
        }
    }
}

TEST(explain, the_best_candidates_come_first_and_no_more_than_asked_for) {
    auto s = index_of();
    std::vector<slot_ref> slots;
    for (int i = 0; i < 20; ++i) slots.push_back(join(*s, profile(machine(), 4)));
    for (int i = 0; i < 20; ++i)
        for (int q = 0; q < (i == 13 ? 0 : 1 + i % 4); ++q) s->claim_existing(slots[static_cast<std::size_t>(i)]);
    const auto e = s->explain(*compiled(""), {.candidates = 3});
    ASSERT_EQ(e.best.size(), 3u);
    EXPECT_EQ(e.best[0].slot, slots[13]);
    EXPECT_EQ(e.best[1].in_flight, 1u);
    EXPECT_TRUE(s->explain(*compiled(""), {.candidates = 0}).best.empty());
}

}  // namespace
}  // namespace sigrun::test
