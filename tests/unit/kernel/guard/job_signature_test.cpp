// What of a job is signed, and whose signature lets it run.
#include "kernel/guard/job_signature.hpp"

#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/job_trust.hpp"
#include "scratch.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>

namespace sigrun {
namespace {

using testing::scratch;

constexpr std::int64_t k_one_hour = 3'600'000'000'000;
constexpr std::int64_t k_noon = 1'767'225'600'000'000'000 + 12 * k_one_hour;  // noon of 2026-01-01
constexpr nanoseconds k_week = std::chrono::hours(24 * 7);

// The key of the first test of RFC 8032; text and signature were made by other programs.
constexpr const char* k_golden_key =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* k_golden_document =
    R"({"secrets":{"USER":"somebody","TOKEN":"hunter22"},"kind":"process","env":{"B":"2","A":"1"},)"
    R"("retry":{"user":1.0,"infrastructure":3},"command":["make","test"]})";
constexpr const char* k_golden_text =
    "sigrun-job-v1\n"
    "key: 21fe31dfa154a261\n"
    "nonce: 000102030405060708090a0b0c0d0e0f\n"
    "expires: 2026-01-02T00:00:00.000Z\n"
    "\"command\": 4f45a0d390c8371ef32c8f771868b6e6604e7937ae53cc05ce80fa709c96c906\n"
    "\"env\": 3eda2f06741f1d082a60e34bf134dace8b60136ae69b552a2137bd898f27ea85\n"
    "\"kind\": b140b5471558f75042af64877517cfb1f565a4cd0c68e726534822e9033bd277\n"
    "\"payload\": 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
    "\"retry\": 8c354240ba2f576db6828113ecc10f5b776d0ea333e66a344942960d68df6143\n"
    "\"secrets\": 9db4162c143669af798ffeab572191427c3b2728b72c7a7219799a7895367c17\n";
constexpr const char* k_golden_value =
    "z1fy66YLxHaRURBT+CMdi9KtRd/QhPhZS/QsGntlpm1yF3D2CUkxqBEJhPG/uudCS+KZg/8i7lg5zbXO9bRICw==";

json::object job_of(std::string_view text) { return parse_object(text).value(); }

struct job_signatures : ::testing::Test {
    scratch dir;
    const std::string open = ed25519_public_of(k_golden_key).value();

    job_signature sign(const json::object& document, std::int64_t lifetime = 12 * k_one_hour) const {
        return sign_job(document, payload_of(document).value(), k_golden_key, k_noon + lifetime).value();
    }
    void trust(const std::string& lines = "") { dir.write("ci.pub", lines + open); }
    result<job_signer> check(const json::object& document, const job_signature& by, std::int64_t now = k_noon) const {
        return check_signed_job(trust_store::read(dir.path(), k_job_scopes).value(), document,
                                payload_of(document).value(), by, now, k_week);
    }
    template <class R>
    static void refused(const R& r, const std::string& why) {
        ASSERT_FALSE(r) << why;
        EXPECT_NE(r.error().text().find(why), std::string::npos) << r.error().text();
    }
};

TEST_F(job_signatures, the_text_and_the_signature_are_those_of_the_golden_vector) {
    const auto made = sign_job(job_of(k_golden_document), "hello", k_golden_key, k_noon + 12 * k_one_hour,
                               "000102030405060708090a0b0c0d0e0f")
                          .value();
    EXPECT_EQ(signed_job_text(made, made.fields), k_golden_text);
    EXPECT_EQ(made.to_json()["value"].as_string(), k_golden_value);
    const auto read = parse_job_signature(made.to_json()).value();
    EXPECT_TRUE(verify_job(job_of(k_golden_document), "hello", read, open));
}

TEST_F(job_signatures, the_way_a_document_is_written_does_not_count) {
    const auto by = sign(job_of(R"({"command":["true"],"limits":{"cpus":2,"memory":"1GiB"},"env":{"A":"1","B":"2"}})"));
    EXPECT_TRUE(verify_job(
        job_of(R"({"env":{"B":"2","A":"1"},"limits":{"memory":"1GiB","cpus":2.0},"command":["true"]})"), "", by, open));
    EXPECT_TRUE(
        verify_job(job_of(R"({"command":["true"],"env":{}})"), "", sign(job_of(R"({"command":["true"]})")), open));
}

TEST_F(job_signatures, each_changed_field_breaks_it_and_is_named) {
    const auto whole = job_of(
        R"({"kind":"process","command":["a","b"],"steps":[["x"]],"env":{"A":"1"},"workdir":"/w","requires":"x == 1",
            "prefers":[{"if":"a","weight":1}],"queue":"q","tenant":"t","priority":"low","balancer":"b","affinity":"f",
            "protocol":"http","preferred_protocol":"grpc","labels":{"a":"b"},"timeouts":{"run":"1m"},"retry":{"user":2},
            "durability":"memory","idempotent":false,"max_latency":"1ms","zone":"z","start_at":"2026-01-05T10:00:00Z",
            "delay":"1s","limits":{"memory":"1GiB"},"secrets":{"S":"hunter22"},"hedge":true,"explain":true,
            "artifacts":["x"],"user":"deploy","pty":true,"isolation":{"network":"none"},"container":{"image":"debian"},
            "group":"g","a field of tomorrow":1})");
    const auto by = sign(whole);
    ASSERT_TRUE(verify_job(whole, "", by, open));
    for (const auto& member : whole) {
        auto changed = whole;
        changed[member.key()] = "another";
        refused(verify_job(changed, "", by, open), "another value of: " + std::string(member.key()));
        changed.erase(member.key());
        refused(verify_job(changed, "", by, open), "another value of: " + std::string(member.key()));
    }
    auto more = whole;
    more["new"] = 1;
    refused(verify_job(more, "", by, open), "another value of: new");
    refused(verify_job(whole, "payload", by, open), "another value of: payload");
}

TEST_F(job_signatures, a_number_is_the_same_after_every_copy_or_is_not_signed) {
    std::mt19937_64 random(1);
    const auto check_one = [&](const char* form, double number) {
        char text[64];
        std::snprintf(text, sizeof text, form, number);
        auto document = job_of(std::string(R"({"a":{"b":[1,)") + text + "]}}");
        const auto by = sign_job(document, "", k_golden_key, k_noon);
        if (!by) {
            refused(by, "a.b[1]: expected a number of at most 15 digits");
            return false;
        }
        // Hashes of the canonical values are what is signed: where the text is the same, so are they, and the last copy is
        // checked for all of them.
        const auto signed_text = json::serialize(canonical_json(document));
        for (int copies = 0; copies < 3; ++copies) {
            document = job_of(json::serialize(document));
            EXPECT_EQ(json::serialize(canonical_json(document)), signed_text);
            // What runs is written once more.
            document = job_of(json::serialize(canonical_json(document)));
            EXPECT_EQ(json::serialize(canonical_json(document)), signed_text);
        }
        EXPECT_TRUE(verify_job(document, "", *by, open)) << text;
        return true;
    };
    check_one("%.17g", 0.1 + 0.2);
    for (int i = 0; i < 2000; ++i) {
        const auto bits = random();
        double any = 0;
        std::memcpy(&any, &bits, sizeof any);
        if (std::isfinite(any)) check_one("%.17g", any);
        const double usual = static_cast<double>(bits >> 11) * 0x1p-53 * std::pow(10, static_cast<double>(bits % 7));
        check_one("%.17g", usual);
        EXPECT_TRUE(check_one("%.15g", usual)) << usual;
    }
}

TEST_F(job_signatures, what_order_and_nesting_say_is_signed) {
    const auto by = sign(job_of(R"({"command":["a","b c"],"env":{"A":"1"}})"));
    for (const char* other :
         {R"({"command":["b c","a"],"env":{"A":"1"}})", R"({"command":["a","b","c"],"env":{"A":"1"}})",
          R"({"command":["a b c"],"env":{"A":"1"}})", R"({"command":["a","b c"],"env":{"A":1}})",
          R"({"command":["a","b c"],"env":{"A":"1","B":""}})"})
        EXPECT_FALSE(verify_job(job_of(other), "", by, open)) << other;
}

TEST_F(job_signatures, values_of_secrets_are_not_signed_and_their_names_are) {
    const auto by = sign(job_of(R"({"command":["a"],"secrets":{"A":"hunter22"}})"));
    EXPECT_TRUE(verify_job(job_of(R"({"command":["a"],"secrets":{"A":"another"}})"), "", by, open));
    refused(verify_job(job_of(R"({"command":["a"],"secrets":{"B":"hunter22"}})"), "", by, open), "secrets");
    EXPECT_EQ(json::serialize(by.to_json()).find("hunter22"), std::string::npos);
}

TEST_F(job_signatures, its_own_terms_are_signed) {
    const auto document = job_of(R"({"command":["a"]})");
    const auto by = sign(document);
    for (auto change : {+[](job_signature& s) { s.nonce[0] = s.nonce[0] == '0' ? '1' : '0'; },
                        +[](job_signature& s) { s.expires = "2027-01-01T00:00:00.000Z"; },
                        +[](job_signature& s) { s.bytes[0] = static_cast<char>(s.bytes[0] ^ 1); }}) {
        auto other = by;
        change(other);
        refused(verify_job(document, "", other, open), "one over another job, or by another key");
    }
}

TEST_F(job_signatures, hashes_beside_it_prove_nothing) {
    auto by = sign(job_of(R"({"command":["a"]})"));
    const auto other = job_of(R"({"command":["b"]})");
    by.fields = field_hashes(other, "");
    EXPECT_FALSE(verify_job(other, "", by, open));
}

TEST_F(job_signatures, a_signature_for_a_plugin_is_none_for_a_job) {
    const auto document = job_of(R"({"command":["a"]})");
    auto by = sign(document);
    by.bytes = sign_plugin(signed_job_text(by, by.fields), k_golden_key).value().bytes;
    EXPECT_FALSE(verify_job(document, "", by, open));
}

TEST_F(job_signatures, what_is_none_is_refused_by_field) {
    const auto good = sign(job_of(R"({"command":["a"]})")).to_json();
    const std::pair<const char*, json::value> bad[] = {
        {"key", "abc"},          {"nonce", "00"},          {"nonce", 1},
        {"expires", "tomorrow"}, {"value", "AAAA"},        {"value", "?"},
        {"fields", 1},           {"fields", {{"a", "b"}}}, {"written", json::object()}};
    for (const auto& [name, value] : bad) {
        auto o = good;
        o[name] = value;
        refused(parse_job_signature(o), "signature." + std::string(name));
    }
    refused(parse_job_signature(1), "signature");
    refused(parse_job_signature(json::object()), "signature.key");
}

TEST_F(job_signatures, a_trusted_key_lets_it_run) {
    trust();
    const auto document = job_of(R"({"command":["a"]})");
    const auto by = check(document, sign(document));
    ASSERT_TRUE(by) << by.error().text();
    EXPECT_EQ(by->name, "ci.pub");
    EXPECT_EQ(by->key_id, "21fe31dfa154a261");
}

TEST_F(job_signatures, keys_that_do_not_count) {
    const auto document = job_of(R"({"command":["a"]})");
    const auto by = sign(document);
    refused(check(document, by), "which has none");
    dir.write("other.pub", make_ed25519_pair().value().public_pem);
    refused(check(document, by), "21fe31dfa154a261");
    trust("expires: 2025-12-31\n");
    refused(check(document, by), "expired after 2025-12-31");
    trust("plugins: com.vendor.*\n");  // a key for another purpose
    refused(check(document, by), "21fe31dfa154a261");
}

TEST_F(job_signatures, a_key_is_good_for_its_scope_alone) {
    trust("tenants: team-*\nkinds: process\nusers: deploy\nlabels: env=test, env=dev\nqueues: default\n");
    const auto good = job_of(R"({"command":["a"],"tenant":"team-a","user":"deploy","labels":{"x":"y","env":"dev"}})");
    EXPECT_TRUE(check(good, sign(good)));
    const std::pair<const char*, json::value> out[] = {{"tenant", "ops"},   {"tenant", ""},
                                                       {"kind", "sandbox"}, {"user", "root"},
                                                       {"user", ""},        {"labels", {{"env", "prod"}}},
                                                       {"labels", nullptr}, {"queue", "release"}};
    for (const auto& [name, value] : out) {
        auto other = good;
        other[name] = value;
        refused(check(other, sign(other)), std::string(name) + ": expected one that ci.pub may sign for");
    }
}

TEST_F(job_signatures, times_hold) {
    trust();
    const auto document = job_of(R"({"command":["a"]})");
    const auto by = sign(document, k_one_hour);
    EXPECT_TRUE(check(document, by, k_noon + k_one_hour));
    refused(check(document, by, k_noon + k_one_hour + 1), "signature.expires: expected a time that has not passed");
    refused(check(document, sign(document, 8 * 24 * k_one_hour)), "a time within 7d");
}

TEST_F(job_signatures, one_that_is_revoked_counts_no_more_whatever_it_says_of_itself) {
    trust();
    const auto document = job_of(R"({"command":["a"]})");
    auto by = sign(document);
    dir.write("revoked", sha256_hex(signed_job_text(by, by.fields)) + " by mistake\n");
    refused(check(document, by), "by mistake");
    by.fields.clear();
    refused(check(document, by), "by mistake");
}

TEST_F(job_signatures, keys_are_followed) {
    job_trust followed(dir.path(), nanoseconds(0));
    EXPECT_TRUE(followed.now().value()->keys().empty());
    trust();
    const auto first = followed.now().value();
    ASSERT_EQ(usable_key_ids(*first, k_noon), std::vector<std::string>{"21fe31dfa154a261"});
    EXPECT_EQ(followed.now().value(), first);  // not read again
    trust("expires: 2025-12-31\n");
    EXPECT_TRUE(usable_key_ids(*followed.now().value(), k_noon).empty());
    std::filesystem::remove(dir.at("ci.pub"));
    EXPECT_TRUE(followed.now().value()->keys().empty());
    std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
    refused(followed.now(), dir.path());
    EXPECT_FALSE(job_trust(dir.at("nothing"), nanoseconds(0)).now());
    EXPECT_TRUE(job_trust("", nanoseconds(0)).now().value()->keys().empty());
}

}  // namespace
}  // namespace sigrun
