#include "kernel/job/job_ties.hpp"

#include "kernel/base/json_writer.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using verdict = job_ties::verdict;

job_ties with(need_condition when, std::initializer_list<need_end> ends) {
    job_ties t;
    t.when = when;
    for (const auto end : ends)
        t.needs.push_back(
            {"n" + std::to_string(t.needs.size()), id::make(), end, end == need_end::open ? "" : "ended so"});
    return t;
}

constexpr auto open = need_end::open, good = need_end::succeeded, bad = need_end::failed, skip = need_end::skipped;

TEST(job_ties, success_needs_all_of_them_and_gives_up_at_the_first_that_fails) {
    constexpr auto when = need_condition::success;
    EXPECT_EQ(with(when, {}).decide(), verdict::starts);
    EXPECT_EQ(with(when, {good, open}).decide(), verdict::waits);
    EXPECT_EQ(with(when, {good, good}).decide(), verdict::starts);
    EXPECT_EQ(with(when, {open, bad}).decide(), verdict::upstream);
    EXPECT_EQ(with(when, {good, need_end::unknown}).decide(), verdict::upstream);
    EXPECT_EQ(with(when, {good, skip}).decide(), verdict::not_needed);
    EXPECT_EQ(with(when, {skip, bad}).decide(), verdict::upstream);
}

TEST(job_ties, failure_waits_for_all_and_starts_if_one_failed) {
    constexpr auto when = need_condition::failure;
    EXPECT_EQ(with(when, {bad, open}).decide(), verdict::waits);
    EXPECT_EQ(with(when, {bad, good}).decide(), verdict::starts);
    EXPECT_EQ(with(when, {good, good}).decide(), verdict::not_needed);
    EXPECT_EQ(with(when, {good, skip}).decide(), verdict::not_needed);
}

TEST(job_ties, always_starts_after_all_however_they_ended) {
    constexpr auto when = need_condition::always;
    EXPECT_EQ(with(when, {bad, open}).decide(), verdict::waits);
    EXPECT_EQ(with(when, {bad, skip, good, need_end::unknown}).decide(), verdict::starts);
}

TEST(job_ties, who_is_skipped_is_told_by_whom) {
    auto t = with(need_condition::success, {good, bad, open});
    t.needs[1].name = "build";
    t.needs[1].told = "failed (exit code 3)";
    EXPECT_EQ(t.skipped_text(), "skipped: its need build failed (exit code 3)");
    EXPECT_EQ(with(need_condition::failure, {good}).skipped_text(),
              "skipped: it runs only when one of its needs fails, and none has");
}

TEST(job_ties, who_waits_names_those_that_have_not_ended) {
    EXPECT_EQ(with(need_condition::success, {open}).waiting_text(), "waits for n0");
    EXPECT_EQ(with(need_condition::success, {open, good, open}).waiting_text(), "waits for n0 and n2");
    EXPECT_EQ(with(need_condition::success, {open, open, open}).waiting_text(), "waits for n0, n1 and n2");
    EXPECT_EQ(with(need_condition::success, {open, open, open, open, open, open, open}).waiting_text(),
              "waits for n0, n1, n2, n3, n4 and 2 more jobs");
}

TEST(job_ties, a_record_says_all_that_is_needed_after_a_restart) {
    auto t = with(need_condition::failure, {open, bad});
    t.submission = id::make();
    t.index = 7;
    t.name = "test (os=a)";
    std::string out;
    json_writer w(out);
    w.open_object();
    write_ties(w, t);
    w.close_object();
    const auto back = read_ties(parse_object(out).value());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->submission, t.submission);
    EXPECT_EQ(back->index, 7u);
    EXPECT_EQ(back->name, t.name);
    EXPECT_EQ(back->when, need_condition::failure);
    ASSERT_EQ(back->needs.size(), 2u);
    EXPECT_EQ(back->needs[0].job, t.needs[0].job);
    EXPECT_EQ(back->needs[0].ended, open);
    EXPECT_EQ(back->needs[1].name, "n1");
    EXPECT_EQ(back->needs[1].ended, bad);
    EXPECT_EQ(back->needs[1].told, "ended so");
    EXPECT_FALSE(read_ties(json::object()));
}

}  // namespace
