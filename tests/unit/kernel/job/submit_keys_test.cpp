#include "kernel/job/submit_keys.hpp"

#include <gtest/gtest.h>

using namespace sigrun;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view k_document = R"({"command":["make","check"],"priority":"high"})";
constexpr std::int64_t k_now = 1'800'000'000'000'000'000;
constexpr std::int64_t k_hour = 3'600'000'000'000;

past_job ended_at(std::int64_t ns) {
    past_job p;
    p.state = job_state::succeeded;
    p.exit_code = 0;
    p.submitted_ns = ns - 1'000;
    p.finished_ns = ns;
    return p;
}

struct keyed_jobs {
    submit_keys keys;
    std::optional<submit_keys::holder> take(std::string key, const id& job, std::string_view document = k_document,
                                            std::string_view payload = {}) {
        return keys.take("tenant", key, job, document, payload).value();
    }
};

bool same(std::string_view a, std::string_view b) {
    return submit_keys::fingerprint_of(a, {}) == submit_keys::fingerprint_of(b, {});
}

}  // namespace

TEST(submit_keys, documents_that_mean_the_same_are_the_same) {
    EXPECT_TRUE(same(k_document, "{ \"priority\" : \"high\",\n \"command\": [\"make\", \"check\"] }"));
    EXPECT_TRUE(same(R"({"retry":{"user":1,"infrastructure":2}})", R"({"retry":{"infrastructure":2.0,"user":1e0}})"));
    EXPECT_TRUE(same(R"({"queue":"A"})", R"({"queue":"A"})"));
    EXPECT_FALSE(same(R"({"command":["a","b"]})", R"({"command":["b","a"]})")) << "the order of words counts";
    EXPECT_FALSE(same(R"({"a":"1"})", R"({"a":1})"));
    EXPECT_FALSE(same(R"({"a":1})", R"({"a":1.5})"));
    EXPECT_FALSE(same(R"({"a":["b","c"]})", R"({"a":["b,c"]})"));
}

TEST(submit_keys, payload_counts_wherever_it_stood) {
    const auto beside = submit_keys::fingerprint_of(R"({"kind":"call"})", "12");
    EXPECT_EQ(beside, submit_keys::fingerprint_of(R"({"payload":"12","kind":"call"})", "12"));
    EXPECT_NE(beside, submit_keys::fingerprint_of(R"({"kind":"call"})", "13"));
    EXPECT_NE(beside, submit_keys::fingerprint_of(R"({"kind":"call"})", ""));
}

TEST(submit_keys, fingerprint_is_the_same_in_each_version_on_each_machine) {
    // printf '{"command":["make","check",],"priority":"high",}\0' | sha256sum
    keyed_jobs f;
    f.take("k", id::make());
    EXPECT_NE(f.keys.record_of("tenant", "k").body.find("\"body\":\"c2dddddf10edb44519a46eeca3701935\""),
              std::string::npos)
        << f.keys.record_of("tenant", "k").body;
}

TEST(submit_keys, key_belongs_to_the_first_job_and_to_its_tenant) {
    keyed_jobs f;
    const id first = id::make(), second = id::make();
    EXPECT_FALSE(f.take("k", first));
    auto holder = f.take("k", second);
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->job, first);
    EXPECT_TRUE(holder->same);
    EXPECT_FALSE(holder->past);
    EXPECT_FALSE(f.take("k", second, R"({"command":["other"]})")->same);
    EXPECT_FALSE(f.keys.take("other tenant", "k", second, k_document, {}).value());
    f.keys.drop("tenant", "k");
    EXPECT_FALSE(f.take("k", second)) << "the first was not accepted after all";
}

TEST(submit_keys, key_outlives_its_job_by_its_lifetime_and_no_longer) {
    keyed_jobs f;
    const id job = id::make();
    f.take("k", job);
    auto left = f.keys.retire("tenant", "k", ended_at(k_now), true, k_now + 1);
    EXPECT_EQ(left.flags, 0u) << "the disk keeps it, too";
    auto holder = f.take("k", id::make());
    ASSERT_TRUE(holder && holder->past);
    EXPECT_EQ(holder->job, job);
    EXPECT_TRUE(holder->same);
    EXPECT_EQ(holder->past->state, job_state::succeeded);
    EXPECT_EQ(holder->past->exit_code, 0);
    EXPECT_TRUE(f.keys.expire(k_now + 24 * k_hour - 1, 10).empty());
    const auto gone = f.keys.expire(k_now + 24 * k_hour, 10);
    ASSERT_EQ(gone.size(), 1u);
    EXPECT_EQ(gone[0].flags, static_cast<std::uint32_t>(SIGRUN_RECORD_DELETE));
    EXPECT_EQ(gone[0].key, left.key);
    EXPECT_FALSE(f.take("k", id::make()));
}

TEST(submit_keys, job_that_is_kept_longer_than_the_lifetime_takes_its_key_along) {
    keyed_jobs f;
    f.take("k", id::make());
    EXPECT_EQ(f.keys.retire("tenant", "k", ended_at(k_now), true, k_now + 25 * k_hour).flags,
              static_cast<std::uint32_t>(SIGRUN_RECORD_DELETE));
    EXPECT_EQ(f.keys.size(), 0u);
}

TEST(submit_keys, keys_expire_in_the_order_in_which_their_jobs_ended_and_so_many_at_once) {
    keyed_jobs f;
    for (int i = 0; i < 5; ++i) {
        f.take("k" + std::to_string(i), id::make());
        f.keys.retire("tenant", "k" + std::to_string(i), ended_at(k_now + (4 - i) * k_hour), i % 2 == 0, k_now);
    }
    EXPECT_EQ(f.keys.expire(k_now + 26 * k_hour, 2).size(), 1u) << "two are over, and the disk knows one of them";
    EXPECT_EQ(f.keys.size(), 3u);
    EXPECT_EQ(f.keys.expire(k_now + 99 * k_hour, 10).size(), 2u);
    EXPECT_EQ(f.keys.size(), 0u);
}

TEST(submit_keys, none_is_forgotten_early_when_there_are_too_many) {
    keyed_jobs f;
    f.keys.limit(24h, 2);
    f.take("a", id::make());
    f.take("b", id::make());
    const auto refused = f.keys.take("tenant", "c", id::make(), k_document, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::busy);
    EXPECT_EQ(refused.error().field, "jobs.max_keys");
    EXPECT_TRUE(f.take("a", id::make())) << "a known one is answered";
    f.keys.retire("tenant", "a", ended_at(k_now), true, k_now);
    EXPECT_FALSE(f.keys.take("tenant", "c", id::make(), k_document, {})) << "it is remembered still";
    f.keys.expire(k_now + 24 * k_hour, 10);
    EXPECT_TRUE(f.keys.take("tenant", "c", id::make(), k_document, {}));
}

TEST(submit_keys, what_is_restored_is_what_was_stored) {
    keyed_jobs before;
    const id live = id::make(), ended = id::make();
    before.take("live", live, k_document, "bytes");
    before.take("ended", ended);
    auto how = ended_at(k_now);
    how.state = job_state::failed;
    how.exit_code = 3;
    how.why = {failure_class::user, "exit", "ended with code 3"};
    const auto left = before.keys.retire("tenant", "ended", how, true, k_now);
    const auto kept = before.keys.record_of("tenant", "live");

    keyed_jobs after;
    after.keys.restore(left.key, left.body);
    after.keys.restore(kept.key, kept.body);
    EXPECT_TRUE(after.take("live", id::make(), k_document, "bytes")->same);
    EXPECT_FALSE(after.take("live", id::make(), k_document, "others")->same);
    const auto holder = after.take("ended", id::make());
    ASSERT_TRUE(holder && holder->past);
    EXPECT_EQ(holder->job, ended);
    EXPECT_EQ(holder->past->state, job_state::failed);
    EXPECT_EQ(holder->past->exit_code, 3);
    EXPECT_EQ(holder->past->why.message, "ended with code 3");
    EXPECT_EQ(holder->past->submitted_ns, how.submitted_ns);
    const auto orphans = after.keys.remove_orphans([](const id&) { return false; });
    ASSERT_EQ(orphans.size(), 1u) << "only those of jobs that should be there";
    EXPECT_EQ(orphans[0].key, kept.key);
    EXPECT_EQ(after.keys.expire(k_now + 24 * k_hour, 10).size(), 1u);
}

TEST(submit_keys, records_of_earlier_versions_are_read) {
    // As they wrote them: std::hash of the text as it came and of the payload.
    const std::size_t h = std::hash<std::string_view>{}(k_document);
    const std::uint64_t hash =
        h ^ (std::hash<std::string_view>{}(std::string_view()) + 0x9E3779B97F4A7C15ull + (h << 6));
    const id job = id::make();
    const std::string key = std::string("tenant\x1f") + "k";
    keyed_jobs f;
    f.keys.restore(key, R"({"job":")" + job.text() + R"(","hash":")" + std::to_string(hash) + "\"}");
    auto holder = f.take("k", id::make());
    ASSERT_TRUE(holder);
    EXPECT_EQ(holder->job, job);
    EXPECT_TRUE(holder->same);
    EXPECT_FALSE(f.take("k", id::make(), R"({"command":["other"]})")->same);
    // And stay what they are when their job is forgotten.
    keyed_jobs later;
    const auto left = f.keys.retire("tenant", "k", ended_at(k_now), true, k_now);
    later.keys.restore(left.key, left.body);
    EXPECT_TRUE(later.take("k", id::make())->same);
}
