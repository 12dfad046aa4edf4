#include "kernel/app/sigrun/job_signing.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/submit_file.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/job_signature.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/job/submission.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <iostream>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_max_signing_key = 64 * 1024;
constexpr nanoseconds k_longest = std::chrono::hours(24) * 366;

std::int64_t end_of(const signing_options& how) {
    const auto lifetime = parse_duration(how.lifetime);
    if (!lifetime || lifetime->count() <= 0 || *lifetime > k_longest)
        throw failure(bad_value(how.lifetime_flag, "a duration such as 24h, at most " + format_duration(k_longest),
                                how.lifetime));
    return clock::system().wall_ns() + lifetime->count();
}

// The file may be a link, as mounted secrets are.
std::string private_key(const signing_options& how) {
    std::error_code ec;
    const auto real = std::filesystem::canonical(how.key, ec);
    auto text = read_file(ec ? how.key : real.string(), k_max_signing_key);
    auto open = text ? ed25519_public_of(*text) : result<std::string>(text.error());
    if (!open)
        throw failure(
            bad_value(how.key_flag, "a private key of `sigrun job keygen`", how.key + ": " + open.error().text()));
    struct stat info {};
    if (::stat(how.key.c_str(), &info) == 0 && (info.st_mode & (S_IRGRP | S_IROTH)))
        std::cerr << "sigrun: " << printable(how.key) << " can be read by others (chmod go-r)\n";
    return std::move(*text);
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
    const auto key = private_key(how);
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
