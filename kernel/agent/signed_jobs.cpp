#include "kernel/agent/signed_jobs.hpp"

#include "kernel/base/rfc3339.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/job/filled_in.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

// A job that is not to start before a time may be offered a little before it by this clock.
constexpr std::int64_t k_clock_slack_ns = 60'000'000'000;
constexpr std::uint32_t k_infrastructure_retries = 3;  // of a document that does not say, as the daemon has it
constexpr std::uint32_t k_most_retries = 100;          // as in a document

std::uint32_t attempts_of(const json::object& document) {
    const auto* retry = object_or_null(document, "retry");
    const auto of = [&](std::string_view name, std::uint32_t otherwise) {
        return retry ? std::min(number_or<std::uint32_t>(*retry, name, otherwise), k_most_retries) : otherwise;
    };
    return 1 + of("user", 0) + of("infrastructure", k_infrastructure_retries);
}

// What plugins would see of it, beside what they are given.
result<void> same_payload(const json::object& document, std::string_view payload) {
    SIGRUN_TRY(own, payload_of(document));
    if (own.empty() || own == payload) return {};
    return bad_value("payload", "the one beside the document", "another one in it");
}

result<void> not_too_early(const json::object& document, std::int64_t wall_ns) {
    const auto start = parse_rfc3339(text_or(document, "start_at"));
    if (!start || *start - k_clock_slack_ns <= wall_ns) return {};
    return bad_value("start_at", "a time that has come", std::string(text_or(document, "start_at")));
}

// Whether no key and no scope that could be given to this runner would make it good.
bool is_for_good(const trust_store& keys, const json::object& document, std::string_view payload,
                 const job_signature& signature, std::int64_t wall_ns) {
    if (wall_ns > signature.expires_ns) return true;
    const auto key = keys.usable_key(signature.key_id, wall_ns);
    if (!key) return false;
    const auto right = verify_job(document, payload, signature, (*key)->pem);
    if (!right) return right.error().code == errc::invalid;
    return keys.revoked(sha256_hex(signed_job_text(signature, field_hashes(document, payload)))).has_value();
}

std::string not_verified(const std::string& why) {
    return json::serialize(json::object{{"verified", false}, {"problem", why}});
}

}  // namespace

signed_jobs::signed_jobs(job_trust_options options, std::string file, const clock& clk)
    : options_(std::move(options)),
      clock_(clk),
      trust_(options_.folder, options_.look_each),
      nonces_(std::move(file), clk) {}

result<signed_jobs::verdict> signed_jobs::check(std::string_view document, std::string_view payload) {
    SIGRUN_TRY(offered, parse_object(document));
    const auto* field = offered.if_contains("signature");
    if (!field)
        return bad_value("signature", "one by a key of " + options_.folder + ": this runner runs signed jobs alone",
                         "none");
    SIGRUN_TRY(written, as_written(offered));
    SIGRUN_TRY(signature, parse_job_signature(written.at("signature")));
    SIGRUN_CHECK_OK(same_payload(written, payload));
    SIGRUN_TRY(keys, trust_.now());
    const auto now = clock_.wall_ns();
    const auto signer = check_signed_job(*keys, written, payload, signature, now, options_.longest);
    if (!signer) {
        auto why = signer.error();
        if (is_for_good(*keys, written, payload, signature, now)) why.code = errc::conflict;
        return why;
    }
    SIGRUN_CHECK_OK(not_too_early(written, now));
    verdict out;
    offered.erase("signature");
    // As the hashes were made of it: what runs is what was checked, to the last digit.
    out.document = json::serialize(canonical_json(offered));
    out.told = json::serialize(json::object{{"key", signer->key_id}, {"by", signer->name}, {"verified", true}});
    out.nonce = signature.nonce;
    out.expires_ns = signature.expires_ns;
    out.most_attempts = attempts_of(written);
    return out;
}

result<signed_jobs::verdict> signed_jobs::judge(std::string_view document, std::string_view payload) {
    if (!asked_for()) return verdict{std::string(document), {}, {}, 0, 1};
    auto checked = check(document, payload);
    if (checked || required()) return checked;
    const auto why = checked.error().text();
    SIGRUN_LOG(logs::agent, warning, "a job runs although it is not signed as it should be: ", why);
    verdict out;
    out.document = document;
    out.told = not_verified(why);
    return out;
}

result<void> signed_jobs::begin(verdict& which, std::string_view job) {
    if (which.nonce.empty()) return {};
    auto used = nonces_.use(which.nonce, job, which.expires_ns, which.most_attempts);
    if (used || required()) return used;
    const auto why = used.error().text();
    SIGRUN_LOG(logs::agent, warning, "job ", job, " runs although its signature does not let it begin: ", why);
    which.nonce.clear();
    which.told = not_verified(why);
    return {};
}

void signed_jobs::give_back(const verdict& which, std::string_view job) {
    if (!which.nonce.empty()) nonces_.give_back(which.nonce, job);
}

std::vector<std::string> signed_jobs::key_ids() {
    if (!asked_for()) return {};
    const auto keys = trust_.now();
    const auto trouble = keys ? std::string() : keys.error().text();
    {
        // Once, not each time that somebody asks.
        std::lock_guard lock(mutex_);
        if (std::exchange(trouble_, trouble) != trouble && !trouble.empty())
            SIGRUN_LOG(logs::agent, error, "no signed job can run: ", trouble);
    }
    if (!keys) return {};
    return usable_key_ids(**keys, clock_.wall_ns());
}

}  // namespace sigrun
