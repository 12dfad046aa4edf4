// Whether a runner runs a job, and that none runs twice.
#include "kernel/agent/signed_jobs.hpp"

#include "kernel/guard/ed25519.hpp"
#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace {

using namespace sigrun;

constexpr std::int64_t k_nonce_hour = 3'600'000'000'000;
using signing_mode = job_trust_options::mode;

struct signed_job : testing::Test {
    agent_test::scratch_dir dir;
    manual_clock time;
    const ed25519_pair pair = make_ed25519_pair().value();
    const std::string keys = dir / "keys", memory = dir / "signed_jobs";

    signed_job() {
        std::filesystem::create_directory(keys);
        std::ofstream(keys + "/ci.pub") << pair.public_pem;
    }
    signed_jobs judging(signing_mode wanted = signing_mode::require) const {
        return signed_jobs({wanted, keys, std::chrono::hours(24 * 7)}, memory, time);
    }
    std::string sign(const std::string& document) const {
        auto o = parse_object(document).value();
        o["signature"] =
            sign_job(o, payload_of(o).value(), pair.private_pem, time.wall_ns() + 2 * k_nonce_hour).value().to_json();
        return json::serialize(o);
    }
};

TEST_F(signed_job, runs_without_its_signature_as_it_was_checked) {
    auto judge = judging();
    const auto v = judge.judge(sign(R"({"command":["a"],  "env":{"A":"1"}})"), "");
    ASSERT_TRUE(v) << v.error().text();
    EXPECT_EQ(parse_object(v->document).value(), parse_object(R"({"command":["a"],"env":{"A":"1"}})").value());
    EXPECT_NE(v->told.find(R"("verified":true)"), std::string::npos);
    EXPECT_EQ(v->most_attempts, 4u);  // as the daemon's default: three more for the infrastructure
}

TEST_F(signed_job, of_two_members_of_one_name_the_one_that_was_checked_is_run) {
    auto judge = judging();
    auto text = sign(R"({"command":["a"]})");
    text.insert(1, R"("command":["evil"],)");
    const auto v = judge.judge(text, "");
    ASSERT_TRUE(v) << v.error().text();
    EXPECT_EQ(v->document, R"({"command":["a"]})");
}

TEST_F(signed_job, unsigned_or_changed_is_refused) {
    auto judge = judging();
    EXPECT_FALSE(judge.judge(R"({"command":["a"]})", ""));
    EXPECT_FALSE(judge.judge("nonsense", ""));
    const auto text = sign(R"({"kind":"call","command":["a"],"payload":"x"})");
    EXPECT_TRUE(judge.judge(text, "x"));
    EXPECT_FALSE(judge.judge(text, "y"));
    EXPECT_FALSE(judge.judge(text, ""));
}

TEST_F(signed_job, begins_as_one_job_and_as_often_as_its_retries_say) {
    auto judge = judging();
    const auto v = judge.judge(sign(R"({"command":["a"],"retry":{"user":1,"infrastructure":0}})"), "").value();
    EXPECT_TRUE(judge.begin(v, "one"));
    EXPECT_FALSE(judge.begin(v, "two"));
    EXPECT_TRUE(judge.begin(v, "one"));
    EXPECT_FALSE(judge.begin(v, "one"));
    auto again = judging();  // after a restart
    EXPECT_FALSE(again.begin(v, "one"));
    EXPECT_FALSE(again.begin(v, "two"));
    auto warned = judging(signing_mode::warn);
    EXPECT_TRUE(warned.begin(v, "two"));
}

TEST_F(signed_job, is_not_begun_before_its_time) {
    auto judge = judging();
    const auto text = sign(R"({"command":["a"],"start_at":"2026-01-01T01:00:00Z"})");
    EXPECT_FALSE(judge.judge(text, ""));
    time.advance(std::chrono::minutes(59) + std::chrono::seconds(30));
    EXPECT_TRUE(judge.judge(text, ""));
}

TEST_F(signed_job, is_asked_about_by_no_one_where_it_is_off_and_runs_with_a_warning) {
    auto off = judging(signing_mode::off);
    EXPECT_EQ(off.judge(R"({"command":["a"]})", "")->told, "");
    auto warned = judging(signing_mode::warn);
    const auto v = warned.judge(R"({"command":["a"]})", "").value();
    EXPECT_NE(v.told.find(R"("verified":false)"), std::string::npos);
    EXPECT_EQ(v.document, R"({"command":["a"]})");
}

struct nonces : testing::Test {
    agent_test::scratch_dir dir;
    const std::string file = dir / "signed_jobs";
};

TEST_F(nonces, are_forgotten_once_they_have_expired_and_the_file_does_not_grow) {
    used_nonces used(file);
    for (int i = 0; i < 500; ++i)
        ASSERT_TRUE(used.use(std::to_string(i), "job", (i + 2) * k_nonce_hour, 1, i * k_nonce_hour)) << i;
    EXPECT_LT(used.size(), 10u);
    EXPECT_LT(std::filesystem::file_size(file), 40'000u);
    EXPECT_FALSE(used.use("499", "other", 1, 1, 499 * k_nonce_hour));
    used_nonces later(file);
    EXPECT_FALSE(later.use("499", "other", 1, 1, 499 * k_nonce_hour));
}

TEST_F(nonces, a_line_that_a_crash_cut_off_is_of_a_job_that_never_began) {
    {
        used_nonces used(file);
        ASSERT_TRUE(used.use("a", "one", k_nonce_hour, 1, 0));
    }
    std::ofstream(file, std::ios::app) << "b 3600";
    used_nonces used(file);
    EXPECT_FALSE(used.use("a", "two", k_nonce_hour, 1, 0));
    EXPECT_TRUE(used.use("b", "two", k_nonce_hour, 1, 0));
}

TEST_F(nonces, damage_and_a_disk_that_cannot_be_written_refuse) {
    std::ofstream(file) << "x y z\n";
    used_nonces damaged(file);
    EXPECT_FALSE(damaged.use("a", "one", k_nonce_hour, 1, 0));
    used_nonces nowhere(dir / "no/such/folder");
    EXPECT_FALSE(nowhere.use("a", "one", k_nonce_hour, 1, 0));
}

}  // namespace
