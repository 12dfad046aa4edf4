#include "kernel/app/sigrun/chaos_promises.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli {
namespace {

// Lost once, and done by the second attempt.
struct kept {
    chaos_job job{.lines = 2, .seconds = 0, .requires_text = {}};
    std::string log = "attempt 1\nline 1\nli" + job.output(2);
    json::object record{{"state", "succeeded"},
                        {"exit_code", 0},
                        {"failure", nullptr},
                        {"finished_at", "2026-01-05T10:00:00Z"},
                        {"log_bytes", log.size()},
                        {"attempts", json::array{json::object{{"number", 1}, {"state", "lost"}},
                                                 json::object{{"number", 2}, {"state", "succeeded"}}}}};

    // The only thing that is said to be broken.
    std::string broken() {
        record["log_bytes"] = log.size();
        const auto found = job.broken(record, log);
        EXPECT_EQ(found.size(), 1u);
        return found.empty() ? std::string() : found.front();
    }
};

TEST(chaos_promises, nothing_is_broken_by_a_job_that_was_lost_once) {
    kept k;
    EXPECT_EQ(k.job.broken(k.record, k.log), std::vector<std::string>{});
}

TEST(chaos_promises, an_end_that_is_not_its_own_is_broken) {
    kept k;
    k.record["state"] = "failed";
    k.record["failure"] = json::object{{"message", "the runner was lost"}};
    EXPECT_EQ(k.broken(), "it is failed: the runner was lost");
}

TEST(chaos_promises, two_accepted_attempts_are_broken) {
    kept k;
    k.record["attempts"].get_array()[0].get_object()["state"] = "succeeded";
    EXPECT_EQ(k.broken(), "of its 2 attempts 2 were accepted, expected the last one alone");
}

TEST(chaos_promises, output_that_is_cut_or_of_another_is_broken) {
    kept cut;
    cut.log.pop_back();
    EXPECT_NE(cut.broken().find("does not end with the 28 bytes that attempt 2 printed"), std::string::npos);
    kept other;
    other.log = "attempt 1\nline 7\n" + other.job.output(2);
    EXPECT_EQ(other.broken(), "its output has what no attempt printed: \"7\\n\"");
    kept twice;
    twice.log = twice.job.output(2) + twice.job.output(2);
    EXPECT_NE(twice.broken().find("what no attempt printed"), std::string::npos);
}

TEST(chaos_promises, bytes_that_are_told_and_are_not_there_are_broken) {
    kept k;
    k.record["log_bytes"] = k.log.size() + 1;
    EXPECT_EQ(k.job.broken(k.record, k.log).size(), 1u);
}

TEST(chaos_promises, an_end_that_changes_is_seen) {
    const kept k;
    json::object now = k.record;
    EXPECT_TRUE(same_end(k.record, now));
    now["finished_at"] = "2026-01-05T10:00:01Z";
    EXPECT_FALSE(same_end(k.record, now));
    EXPECT_FALSE(same_end(k.record, {}));
}

TEST(chaos_promises, what_it_submits_prints_what_it_expects) {
    const chaos_job job{.lines = 3, .seconds = 0.25, .requires_text = "cpu.count >= 2"};
    EXPECT_EQ(json::serialize(job.document()),
              "{\"command\":[\"sh\",\"-c\",\"echo attempt $SIGRUN_ATTEMPT; i=1; while [ $i -le 3 ]; do echo line $i; "
              "i=$((i+1)); done; sleep 0.250; echo end\"],\"retry\":{\"infrastructure\":100},\"requires\":\"cpu.count "
              ">= 2\"}");
    EXPECT_EQ(job.output(4), "attempt 4\nline 1\nline 2\nline 3\nend\n");
}

}  // namespace
}  // namespace sigrun::cli
