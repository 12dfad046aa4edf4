// Whether a runner runs a job, and that none runs twice.
#include "kernel/agent/signed_jobs.hpp"

#include "kernel/guard/ed25519.hpp"
#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

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
        return signed_jobs({wanted, keys, std::chrono::hours(24 * 7), nanoseconds(0)}, memory, time);
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
    auto v = judge.judge(sign(R"({"command":["a"],"retry":{"user":1,"infrastructure":0}})"), "").value();
    EXPECT_TRUE(judge.begin(v, "one"));
    EXPECT_EQ(judge.begin(v, "two").error().code, errc::conflict);
    EXPECT_TRUE(judge.begin(v, "one"));
    EXPECT_EQ(judge.begin(v, "one").error().code, errc::conflict);
    auto again = judging();  // after a restart
    EXPECT_FALSE(again.begin(v, "one"));
    EXPECT_FALSE(again.begin(v, "two"));
}

TEST_F(signed_job, that_was_begun_before_runs_with_a_warning_and_is_not_told_as_verified) {
    auto strict = judging();
    const auto text = sign(R"({"command":["a"]})");
    auto v = strict.judge(text, "").value();
    ASSERT_TRUE(strict.begin(v, "one"));
    auto warned = judging(signing_mode::warn);
    auto again = warned.judge(text, "").value();
    EXPECT_TRUE(warned.begin(again, "two"));
    EXPECT_NE(again.told.find(R"("verified":false)"), std::string::npos) << again.told;
    EXPECT_NE(again.told.find("nonce"), std::string::npos) << again.told;
    warned.give_back(again, "two");  // it took nothing
    EXPECT_FALSE(strict.begin(v, "two"));
}

TEST_F(signed_job, that_was_not_started_after_all_is_none_of_its_attempts) {
    auto judge = judging();
    auto v = judge.judge(sign(R"({"command":["a"],"retry":{"infrastructure":0}})"), "").value();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(judge.begin(v, "one")) << i;
        judge.give_back(v, "another");  // which has begun nothing
        EXPECT_FALSE(judge.begin(v, "one")) << i;
        judge.give_back(v, "one");
    }
    EXPECT_TRUE(judging().begin(v, "one"));
}

TEST_F(signed_job, that_expires_between_the_look_and_the_start_does_not_begin) {
    auto judge = judging();
    const auto text = sign(R"({"command":["a"]})");
    auto v = judge.judge(text, "").value();
    time.advance(nanoseconds(2 * k_nonce_hour + 1));
    EXPECT_EQ(judge.begin(v, "one").error().code, errc::conflict);
    EXPECT_EQ(judge.judge(text, "").error().code, errc::conflict);
}

TEST_F(signed_job, of_two_offers_at_once_one_begins) {
    for (int round = 0; round < 20; ++round) {
        auto judge = judging();
        const auto v = judge.judge(sign(R"({"command":["a"],"retry":{"infrastructure":0}})"), "").value();
        std::atomic<int> begun{0};
        std::vector<std::thread> all;
        for (int i = 0; i < 4; ++i)
            all.emplace_back([&, i] {
                auto own = v;
                begun += judge.begin(own, i % 2 ? "one" : "two").has_value();
            });
        for (auto& each : all) each.join();
        EXPECT_EQ(begun, 1);
    }
}

TEST_F(signed_job, says_whether_it_will_ever_run) {
    auto judge = judging();
    const auto text = sign(R"({"command":["a"],"tenant":"t"})");
    const auto code = [&](const std::string& document) { return judge.judge(document, "").error().code; };
    auto changed = parse_object(text).value();
    changed["command"] = json::array{"b"};
    EXPECT_EQ(code(json::serialize(changed)), errc::conflict);
    std::ofstream(keys + "/ci.pub") << "tenants: other\n" << pair.public_pem;
    EXPECT_EQ(code(text), errc::invalid);  // its scope may be made wider
    std::ofstream(keys + "/ci.pub") << make_ed25519_pair().value().public_pem;
    EXPECT_EQ(code(text), errc::invalid);  // its key may be added
}

TEST_F(signed_job, that_is_revoked_while_the_runner_lives_is_refused_from_then_on) {
    auto judge = judging();
    const auto text = sign(R"({"command":["a"]})");
    ASSERT_TRUE(judge.judge(text, ""));
    auto document = parse_object(text).value();
    const auto by = parse_job_signature(document.at("signature")).value();
    std::ofstream(keys + "/revoked") << sha256_hex(signed_job_text(by, field_hashes(document, ""))) << " withdrawn\n";
    const auto v = judge.judge(text, "");
    ASSERT_FALSE(v);
    EXPECT_NE(v.error().text().find("withdrawn"), std::string::npos) << v.error().text();
    EXPECT_EQ(v.error().code, errc::conflict);
    EXPECT_TRUE(judge.judge(sign(R"({"command":["b"]})"), ""));
}

TEST_F(signed_job, is_run_in_the_form_that_was_hashed) {
    auto judge = judging();
    EXPECT_EQ(judge.judge(sign(R"({"retry":{"user":1.0},"command":["a"]})"), "")->document,
              R"({"command":["a"],"retry":{"user":1}})");
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

}  // namespace
