// sigrun job keygen|sign|verify: who wrote a job. Need no daemon.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/job_signing.hpp"
#include "kernel/app/sigrun/key_files.hpp"
#include "kernel/app/sigrun/submit_file.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/job_trust.hpp"
#include "kernel/guard/private_file.hpp"

#include <filesystem>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_max_public_key = 64 * 1024;
constexpr nanoseconds k_any_lifetime = std::chrono::hours(24) * 366;

struct job_signature_flags {
    std::string file, name = "sigrun-job", to, key, trust;
    signing_options how;
};

int keygen(context& ctx, const job_signature_flags& flags) {
    return make_key_files(
        ctx, flags.name,
        {"job",
         "# tenants: team-*\n# kinds: process\n# users: deploy\n# labels: env=prod\n# queues: release\n"
         "# expires: 2030-12-31\n",
         "it signs (sigrun run --sign)", "job-trust.d beside the configuration file of each runner that trusts it"});
}

int sign(const job_signature_flags& flags) {
    std::error_code ec;
    if (!flags.to.empty() && std::filesystem::equivalent(flags.to, flags.how.key, ec))
        throw failure(bad_value("--to", "another file than that of --key", flags.to));
    const auto text = signed_document(read_jobs(flags.file), flags.how) + "\n";
    if (flags.to.empty())
        context::print(text);
    else
        need(write_whole_file(flags.to, text, 0600));
    return k_ok;
}

trust_store trusted_by(const job_signature_flags& flags) {
    if (flags.key.empty()) return need(trust_store::read(flags.trust, k_job_scopes));
    trust_store one;
    one.add(need(parse_trusted_key(need(read_file(flags.key, k_max_public_key)),
                                   std::filesystem::path(flags.key).filename().string(), k_job_scopes)));
    return one;
}

int verify(context& ctx, const job_signature_flags& flags) {
    const auto keys = trusted_by(flags);
    json::array all;
    for_each_job(read_jobs(flags.file), [&](const std::string& name, const std::string& document) {
        const auto job = need(parse_object(document));
        const auto* field = job.if_contains("signature");
        if (!field)
            throw failure(bad_value(name.empty() ? "signature" : "jobs." + name + ".signature",
                                    "one, as `sigrun job sign` makes it", "none"));
        const auto signature = need(parse_job_signature(*field));
        const auto payload = need(payload_of(job));
        const auto by =
            need(check_signed_job(keys, job, payload, signature, clock::system().wall_ns(), k_any_lifetime));
        const auto hash = sha256_hex(signed_job_text(signature, field_hashes(job, payload)));
        all.push_back(json::object{{"name", name},
                                   {"key", by.key_id},
                                   {"signed_by", by.name},
                                   {"expires", signature.expires},
                                   {"sha256", hash}});
        if (!ctx.json())
            context::print((name.empty() ? "the job" : printable(name)) + ": " +
                           ctx.out().paint("signed", style::good) + " by " + printable(by.name) + ", good until " +
                           signature.expires + "\nsha256 " + hash + "\n");
    });
    if (ctx.json()) context::print(json::serialize(json::object{{"items", std::move(all)}}) + "\n");
    return k_ok;
}

}  // namespace

void add_job_signature_commands(CLI::App& group, context& ctx) {
    auto flags = std::make_shared<job_signature_flags>();
    auto* keygen_app = group.add_subcommand("keygen", "Make a key that signs jobs (needs no daemon)");
    keygen_app->add_option("name", flags->name, "NAME.key and NAME.pub are written")->capture_default_str();
    keygen_app->footer("Example: sigrun job keygen ci && scp ci.pub build-1:/etc/sigrun-runner/job-trust.d/");
    keygen_app->callback([&ctx, flags] { ctx.action = [&ctx, flags] { return keygen(ctx, *flags); }; });

    flags->how.key_flag = "--key";
    flags->how.lifetime_flag = "--for";
    auto* sign_app = group.add_subcommand(
        "sign", "Sign a job document or a file of several: prints it in JSON, for who submits it (needs no daemon)");
    sign_app->add_option("file", flags->file, "As of `sigrun submit`; - reads stdin")->required()->type_name("FILE");
    sign_app->add_option("--key", flags->how.key, "The private key")->required()->type_name("FILE");
    sign_app->add_option("--for", flags->how.lifetime, "How long the signature is good")
        ->type_name("DURATION")
        ->capture_default_str();
    sign_app->add_option("-o,--to", flags->to, "Write it to this file, readable by you alone")->type_name("FILE");
    sign_app->footer(
        "Example: sigrun job sign job.json --key ci.key -o signed.json && sigrun submit signed.json\n"
        "Secrets of the document are in what is printed, too; their names are signed, their values are not.");
    sign_app->callback([&ctx, flags] { ctx.action = [flags] { return sign(*flags); }; });

    auto* verify_app = group.add_subcommand("verify", "Check the signatures of a job document (needs no daemon)");
    verify_app->add_option("file", flags->file, "What `job sign` has made; - reads stdin")
        ->required()
        ->type_name("FILE");
    auto* key = verify_app->add_option("--key", flags->key, "One public key that is trusted")->type_name("FILE");
    auto* trust = verify_app->add_option("--trust", flags->trust, "Folder of trusted keys, such as job-trust.d")
                      ->type_name("DIR")
                      ->excludes(key);
    verify_app->footer(
        "Example: sigrun job verify signed.json --key ci.pub\n"
        "The SHA-256 is that of the signed text; in the file `revoked` of a folder of keys it takes this one back.");
    verify_app->callback([&ctx, flags, key, trust] {
        if (key->count() + trust->count() == 0) throw CLI::RequiredError("--key or --trust");
        ctx.action = [&ctx, flags] { return verify(ctx, *flags); };
    });
}

}  // namespace sigrun::cli
