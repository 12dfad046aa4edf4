#include "kernel/app/sigrun/job_signing.hpp"

#include "kernel/app/sigrun/submit_file.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/job_signature.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/job/submission.hpp"

namespace sigrun::cli {
namespace {

constexpr std::size_t k_max_signing_key = 64 * 1024;
constexpr nanoseconds k_longest = std::chrono::hours(24) * 366;

std::int64_t end_of(const signing_options& how) {
    const auto lifetime = need(parse_duration(how.lifetime), "--sign-for is a duration such as 24h");
    if (lifetime.count() <= 0 || lifetime > k_longest)
        throw failure(
            bad_value("--sign-for", "a duration above 0, at most " + format_duration(k_longest), how.lifetime));
    return clock::system().wall_ns() + lifetime.count();
}

}  // namespace

void add_signing_flags(CLI::App& app, signing_options& how) {
    app.add_option("--sign", how.key,
                   "Sign it with this private key (`sigrun job keygen`), for runners that insist on signed jobs")
        ->type_name("FILE")
        ->envname("SIGRUN_SIGN_KEY");
    app.add_option("--sign-for", how.lifetime, "How long the signature is good, with all waiting and all retries")
        ->type_name("DURATION")
        ->envname("SIGRUN_SIGN_FOR")
        ->capture_default_str();
}

void for_each_job(const std::string& document,
                  const std::function<void(const std::string&, const std::string&)>& each) {
    if (!names_several(document)) return each("", document);
    for (const auto& job : need(read_submission(document))) each(job.name, job.document);
}

std::string signed_document(const std::string& document, const signing_options& how) {
    if (how.key.empty()) return document;
    const auto key = need(read_file(how.key, k_max_signing_key), "--sign names the file of a private key");
    const auto until = end_of(how);
    auto whole = need(parse_object(document));
    json::object signatures;
    if (const auto* before = object_or_null(whole, "signatures")) signatures = *before;
    for_each_job(document, [&](const std::string& name, const std::string& one) {
        const auto job = need(parse_object(one));
        if (job.contains("signature")) return;
        signatures[name] = need(sign_job(job, need(payload_of(job)), key, until)).to_json();
    });
    if (signatures.empty()) return document;
    if (names_several(document))
        whole["signatures"] = std::move(signatures);
    else
        whole["signature"] = signatures.begin()->value();
    return json::serialize(whole);
}

}  // namespace sigrun::cli
