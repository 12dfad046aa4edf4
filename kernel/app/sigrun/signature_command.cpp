// sigrun plugin keygen|sign|verify: who made a plugin file. Need no daemon.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/key_files.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/guard/trust_store.hpp"
#include "kernel/plugin/elf_gate.hpp"
#include "kernel/plugin/stage.hpp"

#include <filesystem>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_max_key = 64 * 1024;

struct signature_flags {
    std::string file, key, trust, name = "sigrun-plugin";
};

int keygen(context& ctx, const signature_flags& flags) {
    return make_key_files(ctx, flags.name,
                          {"plugin", "# plugins: com.vendor.*\n# expires: 2030-12-31\n",
                           "it signs (sigrun plugin sign)", "trust.d beside the configuration file of who trusts it"});
}

int sign(context& ctx, const signature_flags& flags) {
    const auto bytes = need(read_plugin_file(flags.file));
    const auto identity = need(inspect_plugin(bytes), "only plugins are signed");
    const auto signature = need(sign_plugin(bytes, need(read_file(flags.key, k_max_key))));
    need(write_whole_file(flags.file + ".sig", signature.text(), 0644));
    if (ctx.json())
        context::print(json::serialize(json::object{{"file", flags.file},
                                                    {"plugin", identity.id},
                                                    {"version", identity.version},
                                                    {"sha256", sha256_hex(bytes)},
                                                    {"key", signature.key_id}}) +
                       "\n");
    else
        context::print(identity.id + " " + identity.version + " signed by key " + signature.key_id + ": " +
                       printable(flags.file) + ".sig\n");
    return k_ok;
}

int verify(context& ctx, const signature_flags& flags) {
    const auto bytes = need(read_plugin_file(flags.file));
    const auto identity = need(inspect_plugin(bytes));
    trust_store trusted;
    if (!flags.key.empty())
        trusted.add(need(parse_trusted_key(need(read_file(flags.key, k_max_key)),
                                           std::filesystem::path(flags.key).filename().string())));
    else
        trusted = need(trust_store::read(flags.trust));
    if (auto why = trusted.revoked(sha256_hex(bytes)))
        throw failure(
            bad_value("sha256", "one that is not revoked", sha256_hex(bytes) + (why->empty() ? "" : ": " + *why)));
    auto text = read_file(flags.file + ".sig", k_max_key);
    if (!text && text.error().code != errc::not_found) throw failure(text.error());
    const auto by = need(trusted.check(bytes, text ? *text : std::string(), identity.id, clock::system().wall_ns()));
    if (ctx.json())
        context::print(
            json::serialize(json::object{
                {"file", flags.file}, {"plugin", identity.id}, {"version", identity.version}, {"signed_by", by}}) +
            "\n");
    else
        context::print(identity.id + " " + identity.version + ": " + ctx.out().paint("signed", style::good) + " by " +
                       printable(by) + "\n");
    return k_ok;
}

}  // namespace

void add_signature_commands(CLI::App& plugin, context& ctx) {
    auto flags = std::make_shared<signature_flags>();
    auto* keygen_app = plugin.add_subcommand("keygen", "Make a key that signs plugins (needs no daemon)");
    keygen_app->add_option("name", flags->name, "NAME.key and NAME.pub are written")->capture_default_str();
    keygen_app->footer("Example: sigrun plugin keygen release && cp release.pub /etc/sigrun/trust.d/");
    keygen_app->callback([&ctx, flags] { ctx.action = [&ctx, flags] { return keygen(ctx, *flags); }; });
    auto* sign_app = plugin.add_subcommand("sign", "Sign a plugin file: writes FILE.sig (needs no daemon)");
    sign_app->add_option("file", flags->file, "The plugin")->required()->type_name("FILE");
    sign_app->add_option("--key", flags->key, "The private key")->required()->type_name("FILE");
    sign_app->footer("Example: sigrun plugin sign foo.so --key release.key");
    sign_app->callback([&ctx, flags] { ctx.action = [&ctx, flags] { return sign(ctx, *flags); }; });
    auto* verify_app = plugin.add_subcommand("verify", "Check the signature of a plugin file (needs no daemon)");
    verify_app->add_option("file", flags->file, "The plugin")->required()->type_name("FILE");
    auto* key = verify_app->add_option("--key", flags->key, "One public key that is trusted")->type_name("FILE");
    auto* trust = verify_app->add_option("--trust", flags->trust, "Folder of trusted keys, such as /etc/sigrun/trust.d")
                      ->type_name("DIR")
                      ->excludes(key);
    verify_app->footer("Example: sigrun plugin verify foo.so --trust /etc/sigrun/trust.d");
    verify_app->callback([&ctx, flags, key, trust] {
        if (key->count() + trust->count() == 0) throw CLI::RequiredError("--key or --trust");
        ctx.action = [&ctx, flags] { return verify(ctx, *flags); };
    });
}

}  // namespace sigrun::cli
