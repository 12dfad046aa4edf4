// sigrun version
#include "kernel/app/sigrun/context.hpp"
#include "kernel/base/json.hpp"

#include <sigrun/plugin.h>

#include <optional>

namespace sigrun::cli {
namespace {

int version(context& ctx) {
    const std::string abi = std::to_string(SIGRUN_ABI_MAJOR) + "." + std::to_string(SIGRUN_ABI_MINOR);
    json::object out{{"sigrun", SIGRUN_VERSION}, {"abi", abi}, {"daemon", nullptr}};
    std::optional<failure> absent;
    try {
        out["daemon"] = ctx.daemon().call_object("version.get", {});
    } catch (const failure& f) {
        if (f.from() == failure::source::interrupt) throw;
        absent = f;
    }
    if (ctx.json()) {
        context::print(json::serialize(out) + "\n");
        return absent ? absent->exit_code() : k_ok;
    }
    std::string text = std::string("sigrun  ") + SIGRUN_VERSION + " (plugin ABI " + abi + ")\n";
    if (const json::object* daemon = object_or_null(out, "daemon"))
        text += "sigrund " + std::string(text_or(*daemon, "version")) + " at " + ctx.daemon().url() + "\n";
    else
        text += std::string("sigrund not asked: ") + absent->what() + "\n";
    context::print(text);
    return absent ? absent->exit_code() : k_ok;
}

}  // namespace

void add_version_command(CLI::App& app, context& ctx) {
    auto* sub =
        app.add_subcommand("version", "Versions of this program and of the daemon; fails if that cannot be reached");
    sub->footer("Example: sigrun version --output json");
    sub->callback([&ctx] { ctx.action = [&ctx] { return version(ctx); }; });
}

}  // namespace sigrun::cli
