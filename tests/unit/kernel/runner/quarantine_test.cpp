#include "kernel/runner/quarantine.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace std::chrono_literals;
using phase = quarantine::phase;

struct conduct {
    quarantine q;
    quarantine_rules rules{3, 2, 60s, 10s, 40s};
    time_point now{1000s};

    bool refuse(std::uint64_t document = 1, bool others = true) {
        return q.fault(runner_fault::refusal, document, others, "the disk is full", now, rules);
    }
    bool crash(std::uint64_t document = 1, bool others = true) {
        return q.fault(runner_fault::crash, document, others, "lost", now, rules);
    }
    void set_aside() {
        while (!refuse()) {
        }
    }
    void on_trial() {
        set_aside();
        now = q.until();
        ASSERT_TRUE(q.try_again(now));
    }
};

TEST(quarantine, a_runner_that_refuses_often_enough_is_set_aside_with_the_reason) {
    conduct c;
    EXPECT_FALSE(c.refuse());
    EXPECT_FALSE(c.refuse());
    EXPECT_EQ(c.q.state(), phase::none);
    EXPECT_TRUE(c.refuse());
    EXPECT_EQ(c.q.state(), phase::out);
    EXPECT_EQ(c.q.reason(), "it refused what it was offered, 3 times within 1m, at last: the disk is full");
    EXPECT_EQ(c.q.until(), c.now + 10s);
    EXPECT_FALSE(c.refuse()) << "once is enough";
}

TEST(quarantine, a_fault_counts_for_the_window_and_until_a_job_was_done) {
    conduct c;
    c.refuse();
    c.refuse();
    c.now += 61s;
    EXPECT_FALSE(c.refuse());
    c.refuse();
    EXPECT_FALSE(c.q.good(c.now)) << "there was no trial";
    EXPECT_TRUE(c.q.spotless());
    EXPECT_FALSE(c.refuse());
    EXPECT_FALSE(c.refuse());
    EXPECT_TRUE(c.refuse());
}

TEST(quarantine, refusals_and_crashes_are_counted_apart) {
    conduct c;
    c.refuse();
    c.refuse();
    EXPECT_FALSE(c.crash());
    c.now += 1s;
    EXPECT_TRUE(c.crash());
    EXPECT_EQ(c.q.reason(), "attempts on it failed for its own fault, 2 times within 1m, at last: lost");
}

TEST(quarantine, crashes_of_one_moment_are_one) {
    conduct c;
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(c.crash());
    c.now += 1s;
    EXPECT_TRUE(c.crash());
}

TEST(quarantine, a_limit_of_zero_is_none) {
    conduct c;
    c.rules.refusals = 0;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(c.refuse());
    EXPECT_TRUE(c.q.spotless());
}

TEST(quarantine, the_last_runner_is_spared_while_all_faults_come_from_one_document) {
    conduct c;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(c.refuse(7, false));
    EXPECT_TRUE(c.refuse(8, false)) << "it is not the document";
    conduct d;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(d.refuse(7, false));
    EXPECT_TRUE(d.refuse(7, true)) << "another one has come";
}

TEST(quarantine, after_the_pause_one_job_decides) {
    conduct c;
    c.set_aside();
    EXPECT_FALSE(c.q.try_again(c.now + 9s));
    EXPECT_TRUE(c.q.try_again(c.now + 10s));
    EXPECT_EQ(c.q.state(), phase::trial);
    EXPECT_FALSE(c.q.try_again(c.now + 11s)) << "told once";
    EXPECT_TRUE(c.q.good(c.now));
    EXPECT_EQ(c.q.state(), phase::none);
    EXPECT_TRUE(c.q.spotless());
}

TEST(quarantine, the_end_of_an_older_attempt_does_not_end_it) {
    conduct c;
    c.set_aside();
    EXPECT_FALSE(c.q.good(c.now));
    EXPECT_EQ(c.q.state(), phase::out);
}

TEST(quarantine, one_fault_on_trial_doubles_the_pause_up_to_the_longest) {
    conduct c;
    c.on_trial();
    for (const auto expected : {20s, 40s, 40s}) {
        EXPECT_TRUE(c.crash());
        EXPECT_EQ(c.q.until(), c.now + expected);
        c.now = c.q.until();
        ASSERT_TRUE(c.q.try_again(c.now));
    }
    EXPECT_EQ(c.q.reason(), "on trial attempts on it failed for its own fault: lost");
    EXPECT_EQ(c.q.times(), 4u);
}

TEST(quarantine, a_runner_that_was_good_for_long_begins_anew) {
    conduct c;
    c.on_trial();
    EXPECT_TRUE(c.q.good(c.now));
    c.now += 30s;
    c.set_aside();
    EXPECT_EQ(c.q.lasts(), 20s) << "so soon again";
    c.now = c.q.until();
    ASSERT_TRUE(c.q.try_again(c.now));
    EXPECT_TRUE(c.q.good(c.now));
    c.now += 41s;
    c.set_aside();
    EXPECT_EQ(c.q.lasts(), 10s);
}

TEST(quarantine, an_operator_lifts_it_and_all_is_forgotten) {
    conduct c;
    EXPECT_FALSE(c.q.lift());
    c.set_aside();
    EXPECT_TRUE(c.q.lift());
    EXPECT_TRUE(c.q.spotless());
    c.set_aside();
    EXPECT_EQ(c.q.lasts(), 10s);
}

}  // namespace
