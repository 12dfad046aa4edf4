#include "kernel/serve/demand_figures.hpp"

#include "kernel/job/runner_terms.hpp"
#include "kernel/select/predicate.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

demand_class wanting(std::uint64_t queued, std::vector<std::pair<std::uint32_t, std::uint32_t>> free,
                     std::uint64_t picky = 0) {
    demand_class c;
    c.jobs.queued = c.waited = queued;
    c.picky = picky;
    for (const auto& [slot, n] : free) c.there.free += n;
    c.free = std::move(free);
    return c;
}

TEST(shortfall, is_what_is_left_when_the_free_places_are_taken) {
    auto a = wanting(5, {{0, 2}, {1, 1}}), b = wanting(2, {{2, 9}}), none = wanting(0, {});
    share_free_places({&a, &b, &none});
    EXPECT_EQ(a.jobs.shortfall, 2u);
    EXPECT_EQ(b.jobs.shortfall, 0u);  // never less than none
    EXPECT_EQ(none.jobs.shortfall, 0u);
}

TEST(shortfall, a_free_place_that_suits_two_classes_is_given_once_and_to_the_one_with_fewer) {
    auto anywhere = wanting(3, {{0, 2}, {1, 2}}), here = wanting(2, {{0, 2}});
    share_free_places({&anywhere, &here});
    EXPECT_EQ(here.jobs.shortfall, 0u);
    EXPECT_EQ(anywhere.jobs.shortfall, 1u);
}

TEST(shortfall, jobs_that_must_not_have_the_free_places_miss_others) {
    auto a = wanting(3, {{0, 9}}, 2);
    share_free_places({&a});
    EXPECT_EQ(a.jobs.shortfall, 2u);
}

TEST(shortfall, only_jobs_that_have_waited_for_long_enough_count) {
    auto a = wanting(7, {{0, 2}});
    a.waited = 3;
    share_free_places({&a});
    EXPECT_EQ(a.jobs.shortfall, 3u);
    a.waited = 0;
    share_free_places({&a});
    EXPECT_EQ(a.jobs.shortfall, 0u);
}

predicate asking(const std::string& written, const std::string& kind, const std::string& signed_by = "") {
    const auto own = runner_terms(kind, signed_by);
    const auto text = written.empty() ? own : "(" + written + ") && (" + own + ")";
    return {requirement::compile(text).value(), 1, 1};
}

TEST(demand_classes, are_told_in_canonical_form_without_the_kind) {
    const auto text = [](const std::string& written, const std::string& kind) {
        const predicate p = asking(written, kind);
        return demand_class::text(p, kind);
    };
    EXPECT_EQ(text("", "call"), "");
    EXPECT_EQ(text("label.a==\"b\"  &&  cpu.effective_cores>=2", "process"),
              "label.a == \"b\" && cpu.effective_cores >= 2");
    // What is told can be asked again.
    const auto either = text("label.a == \"b\" || label.a == \"c\"", "process");
    EXPECT_EQ(text(either, "process"), either);
    const auto of_kind = "any(k in runner.kinds, k == \"process\")";
    EXPECT_EQ(text(of_kind, "process"), of_kind);  // who writes it himself reads it
}

TEST(demand_classes, of_signed_jobs_tell_who_takes_them) {
    const auto text = [](const std::string& written) {
        const predicate p = asking(written, "process", "0123456789abcdef");
        return demand_class::text(p, "process");
    };
    const std::string trusting =
        "(!present(runner.signed_jobs_only) || any(k in runner.job_keys, k == \"0123456789abcdef\"))";
    EXPECT_EQ(text("label.a == \"b\""), "label.a == \"b\" && " + trusting);
    const auto alone = text("");
    EXPECT_EQ(alone, requirement::compile(trusting).value()->canonical());
}

TEST(demand_classes, have_names_that_stay) {
    const predicate one = asking("label.a == \"b\"", "process"), same = asking("(label.a==\"b\")", "process"),
                    other = asking("label.a == \"b\"", "call");
    EXPECT_EQ(demand_class::class_id(one), demand_class::class_id(same));
    EXPECT_NE(demand_class::class_id(one), demand_class::class_id(other));
    EXPECT_EQ(demand_class::class_id(one), "834bf9963ac7bc74");  // alerts and scalers refer to it: it must not change
}

TEST(demand_sums, the_oldest_wait_is_that_of_jobs_that_wait) {
    demand_sums s;
    const auto now = time_point(std::chrono::seconds(100));
    EXPECT_EQ(s.oldest_wait_s(now), 0);
    s.queued = 1;
    s.oldest = now - std::chrono::milliseconds(1260);
    EXPECT_DOUBLE_EQ(s.oldest_wait_s(now), 1.3);
    s.oldest = now + std::chrono::milliseconds(50);  // it came this moment
    EXPECT_EQ(s.oldest_wait_s(now), 0);
}

}  // namespace
