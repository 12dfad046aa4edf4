// What a call leaves behind when it is over: nothing that holds its job, however often it is made.
#include "daemon_parts.hpp"

namespace {

using namespace sigrun;
using serve_test::daemon_parts;

constexpr std::string_view k_document = R"({"command":["true"],"durability":"memory"})";

TEST(job_methods, waits_that_ended_before_their_job_hold_nothing) {
    daemon_parts d;
    d.begin("jobs.submit", R"({"idempotency_key":"k"})", k_document);
    auto all = d.jobs->all();
    ASSERT_EQ(all.size(), 1u) << d.answers.at(0);
    auto j = all.front();
    all.clear();
    d.answers.clear();
    const auto before = j.use_count();
    for (int i = 0; i < 100; ++i) {
        auto id = d.begin("jobs.submit", R"({"idempotency_key":"k","wait":"30s"})", k_document);
        ASSERT_NE(id, 0u);
        EXPECT_GT(j.use_count(), before);
        if (i % 2) {
            d.end(id);  // the caller left
        } else {
            d.time.advance(std::chrono::seconds(31));
            d.timers.advance();  // its wait is over
            d.timers.advance();
            ASSERT_EQ(d.answers.size(), static_cast<std::size_t>(i / 2 + 1));
        }
        ASSERT_EQ(j.use_count(), before) << i;
    }
    auto id = d.begin("jobs.submit", R"({"idempotency_key":"k","wait":"30s"})", k_document);
    d.jobs->cancel(j, {});  // one that still waits is answered by the end
    EXPECT_EQ(d.answers.size(), 51u);
    EXPECT_NE(d.answers.back().find("cancelled"), std::string::npos) << d.answers.back();
    d.end(id);
}

TEST(job_methods, followers_that_left_before_the_job_ended_hold_nothing) {
    daemon_parts d;
    d.begin("jobs.submit", "{}", k_document);
    auto j = d.jobs->all().front();
    const auto params = sdk::concat(R"({"id":")", j->uid.text(), R"(","follow":true})");
    const auto before = j.use_count();
    for (int i = 0; i < 20; ++i) {
        auto id = d.begin("jobs.logs", params);
        ASSERT_NE(id, 0u);
        d.end(id);
    }
    for (int i = 0; i < 2000 && j.use_count() != before; ++i)  // the worker pool lets go of the last run
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(j.use_count(), before);
}

}  // namespace
